"""Why a job failed: from what nawf, VASP's error handlers, SLURM, jobflow-remote and FireWorks write, to a class.

A class says what one does about it. The table is searched from top to bottom, and the first line that matches is the
reason: what ended everything at once goes before what a program has to say about itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nawf.running.backend import Cause

MOST_LETTERS = 400
"""Of a reason."""

_ELECTRONIC_ERRORS = (
    "algo_tet|amin|auto_nbands|brmix|dentet|eddiag|edddav|eddrmm|electronic|grad_not_orth|invgrp|lrf_comm|nbands|nelm|"
    "nonconverg\\w*|pricel|pricelv|pssyevx|real_optlay|rot_matrix|rspher|subspacematrix|tet|tetirr|too_few_bands|"
    "triple_product|unconverged|zheev|zheevd|zpotrf"
)
_IONIC_ERRORS = (
    "brions|eddrmm_ions|posmap|positive_energy|positive energy|potim|zbrent|bravais|ksymm|rhosyg|max_force"
)
_NO_RESULT = r"VASP ended without a result: [^;(]*"
_CANNOT_START = (
    r"error while loading shared libraries|(?i:licen[cs]e)|srun: (error|fatal): Unable|srun: fatal|"
    r"launch failed|exit code 12[67]|execv|cannot execute|No such file|[Pp]ermission denied|not found"
)

PATTERNS: tuple[tuple[Cause, str], ...] = (
    # The queue of the cluster.
    (Cause.WALLTIME, r"DUE TO TIME LIMIT|\bTIMEOUT\b|walltime \d+ exceeded limit|TERM_RUNLIMIT"),
    (Cause.NODE, r"DUE TO NODE FAIL|NODE_FAIL|DUE TO PREEMPTION|DUE to SIGNAL Terminated|[Nn]ode failure"),
    (Cause.MEMORY, r"(?i)oom[-_]kill|out[ _-]of[ _-]memory|Exceeded (job|step) memory limit"),
    (Cause.KILLED, r"\*\*\* (JOB|STEP) \S+ ON \S+ CANCELLED AT"),
    # nawf's own words.
    (Cause.WALLTIME, r"VASP was asked to stop, as it is when the time of the batch job runs out"),
    (Cause.POTCAR, r"POTCARs? of \S+ (is|are) missing|no POTCAR of|PmgVaspPspDirError|No POTCAR for "),
    (Cause.POTCAR, r"information on POSCAR and POTCAR are incompatible|POTCAR\S* (is|are) (missing|not found)"),
    (
        Cause.DISK,
        r"(?i)no space left on device|disk quota exceeded|read-only file system|stale file handle|\[errno 5\]",
    ),
    (Cause.MEMORY, r"\bMemoryError\b|[Cc]an(no|')t allocate memory|insufficient virtual memory|std::bad_alloc"),
    (Cause.SETTINGS, r"nawf\.errors\.(Engine|Input|Campaign|Structure)Error"),
    (Cause.SETTINGS, r"command not found|ModuleNotFoundError|could not be deserialized|lmod|No module named"),
    # The roads between.
    (Cause.STORE, r"pymongo\.errors|ServerSelectionTimeout|nawf\.errors\.StoreFileError|sqlite3\.\w+Error"),
    (Cause.QUEUE, r"submission failed|sbatch: error|Unable to contact slurm controller|slurm_load_jobs error"),
    (Cause.QUEUE, r"squeue|sacct|QueueAdapter|Error submitting|submission succeeded but ID not known"),
    (
        Cause.NODE,
        r"paramiko|SSHException|AuthenticationException|NoValidConnections|Could not create remote directory",
    ),
    (
        Cause.NODE,
        r"\bMPI_ABORT\b.*[Cc]onnection|ibv_\w+.*(fail|error)|Transport (retry|endpoint)|Connection reset by",
    ),
    # VASP and its handlers, and GPAW.
    (Cause.IONIC, rf"(?i)\bfound ({_IONIC_ERRORS})\b|PotimErrorHandler|DriftErrorHandler|PositiveEnergyErrorHandler"),
    (Cause.ELECTRONIC, rf"(?i)\bfound ({_ELECTRONIC_ERRORS})\b|ElectronsUnconvergedHandler|UnconvergedErrorHandler"),
    (Cause.ELECTRONIC, r"KohnShamConvergenceError|Did not converge!|NonConvergingErrorHandler|LargeSigmaHandler"),
    (Cause.IONIC, r"no strained cell has a stress|relaxation did not converge"),
    (Cause.CODE, r"Segmentation fault|forrtl: severe|SIGSEGV"),
    # Ended by a signal, or without a word in the midst of things; what never began would never end well.
    (Cause.KILLED, r"(?i:killed by signal|on signal (9|15)\b)|\bKilled\b|tasks? \S+: Terminated"),
    (Cause.KILLED, rf"{_NO_RESULT}(after [1-9]\d* ionic steps?|in the first ionic step)\b(?!; VASP's last words)"),
    (Cause.SETTINGS, rf"{_NO_RESULT}after 0 ionic steps; VASP's last words: .*({_CANNOT_START})"),
    (Cause.KILLED, r"likely killed before|output file \S+ was not present|was killed|[Ll]ost run"),
)
_SEARCHES = tuple((cause, re.compile(pattern)) for cause, pattern in PATTERNS)
_EXCEPTION = re.compile(
    r"^(?P<module>[A-Za-z_][\w.]*\.)?(?P<name>[A-Z]\w*(Error|Exception|Exit|Interrupt|Timeout)): ?(?P<text>.*)"
)


def classify(text: str) -> tuple[Cause, str]:
    """Class of an error and the error in one line.

    Parameters
    ----------
    text : str
        Everything that is known: error stream of the queue, traceback, messages.

    Returns
    -------
    Cause, str
        ``CODE`` and the last exception (or line) for what nothing is known of.
    """
    lines = list(_telling(text))
    for cause, pattern in _SEARCHES:
        for line in lines:
            if pattern.search(line):
                return cause, _plain(line)
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    last = (exceptions or lines or ["no message"])[-1]
    return Cause.CODE, _plain(last)


def _telling(text: str) -> Iterator[str]:
    """Lines without the frames of tracebacks: code names everything, and says nothing of what happened."""
    for line in text.splitlines():
        if line.strip() and not line[0].isspace() and not line.startswith("Traceback (most recent"):
            yield line.strip()


def _plain(line: str) -> str:
    """Without module paths, and without frames of stars."""
    if (match := _EXCEPTION.match(line)) is not None:
        own = (match["module"] or "").startswith("nawf.")
        line = match["text"] if own else f"{match['name']}: {match['text']}"
    line = re.sub(r"^slurmstepd: error: ", "", line).strip("* ").strip()
    return line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 4] + " ..."
