"""Background jobs: a queue that outlives the page and the server; no CLIP, no Gradio."""

from unlearn.jobs.queue import JobLimits, Jobs, inputs_of
from unlearn.jobs.states import Cancelled, Deleted, Failed, Interrupted, Job, Queued, Running, State, Succeeded
from unlearn.jobs.zero import GpuNeed, ZeroGpu, spaces_package

__all__ = [
    "Cancelled",
    "Deleted",
    "Failed",
    "GpuNeed",
    "Interrupted",
    "Job",
    "JobLimits",
    "Jobs",
    "Queued",
    "Running",
    "State",
    "Succeeded",
    "ZeroGpu",
    "inputs_of",
    "spaces_package",
]
