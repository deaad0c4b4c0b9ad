"""The store on SQLite: vault and audit log in one file, one writer thread, group commit.

Only this package knows SQL of SQLite. It never logs, and never holds detection or policy logic.
"""

from poundlock.adapters.sqlite.approvals import ApprovalFile
from poundlock.adapters.sqlite.identities import Identities, Questions
from poundlock.adapters.sqlite.leases import LeaseFile
from poundlock.adapters.sqlite.proofs import ProofFile
from poundlock.adapters.sqlite.reading import Reading
from poundlock.adapters.sqlite.store import SqliteStore
from poundlock.adapters.sqlite.tally import TallyFile

__all__ = ["ApprovalFile", "Identities", "LeaseFile", "ProofFile", "Questions", "Reading", "SqliteStore", "TallyFile"]
