"""Background jobs: a queue that outlives the page and the server; no CLIP, no Gradio."""

from unlearn.jobs.data_folder import inputs_of
from unlearn.jobs.queue import Jobs
from unlearn.jobs.setup import JobLimits, WorkerSetup
from unlearn.jobs.states import Cancelled, Deleted, Failed, Interrupted, Job, Queued, Running, State, Submission, Succeeded
from unlearn.jobs.tasks import Task
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
    "Submission",
    "Succeeded",
    "Task",
    "WorkerSetup",
    "ZeroGpu",
    "inputs_of",
    "spaces_package",
]
