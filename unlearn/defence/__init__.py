"""The defence: one student-teacher loop and its two tasks, names and faces; no attack, no files of a run."""
