"""At the point of care: may this model advise here, now, on this encounter?

The gate answers with a rule's name; the CDS Hooks service and the agents'
pathways both ask it, and every answer is in the ledger before it is given.
"""

from commonwatt.clinic.engines.gateway.agents import (
    AgentCall,
    Pathway,
    PathwayRunner,
    StepDecision,
    sign_human_step,
)
from commonwatt.clinic.engines.gateway.gate import AdviceGate, GateVerdict, ScoringModel

__all__ = [
    "AdviceGate",
    "AgentCall",
    "GateVerdict",
    "Pathway",
    "PathwayRunner",
    "ScoringModel",
    "StepDecision",
    "sign_human_step",
]
