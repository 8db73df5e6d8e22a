"""A stand-in for VASP: it reads VASP's input and writes VASP's files, with energies of an interatomic potential.

Input sets, error handlers, parsers, queues and restarts can be exercised with it where VASP is not, or before
core-hours are spent. The version in every file ends in ``-rehearsal``.
"""
