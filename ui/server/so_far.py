"""What a job that is still at work shows already; whoever may see its progress may see it."""

from __future__ import annotations

from ui.server.service import Service
from unlearn.errors import InputError
from unlearn.jobs import Job
from unlearn.runs.film_records import Film
from unlearn.runs.records import Attacks
from unlearn.runs.so_far import EvidenceSoFar, read_so_far

NOTHING = EvidenceSoFar(Attacks(), (), Film())


def evidence_of(service: Service, job: Job) -> EvidenceSoFar:
    """What is known of a running job; empty where its files are on another machine, or gone already."""
    try:
        return read_so_far(service.jobs.folder(job.id))
    except InputError:  # the job's end removes them while they are read
        return NOTHING
