"""At the point of care: may this model advise here, now, on this encounter?

The gate answers with a rule's name; the CDS Hooks service and the agents'
pathways both ask it, and every answer is in the ledger before it is given.
"""

from commonwatt.clinic.engines.gateway.agents import Pathway, Runner, Statement, sign_statement
from commonwatt.clinic.engines.gateway.gate import Gate, Model, Verdict
from commonwatt.clinic.engines.gateway.guides import Guide, load_guide, load_guides

__all__ = [
    "Gate",
    "Guide",
    "Model",
    "Pathway",
    "Runner",
    "Statement",
    "Verdict",
    "load_guide",
    "load_guides",
    "sign_statement",
]
