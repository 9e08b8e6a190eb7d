"""Who decides when the line should be up, and whether it is alive."""

from cableway.policies.monitors.base import Check, LineFacts, Look, Monitor
from cableway.policies.monitors.manual import ManualMonitor
from cableway.policies.monitors.on_demand import OnDemandMonitor
from cableway.policies.monitors.persistent import PersistentMonitor

__all__ = ["Check", "LineFacts", "Look", "ManualMonitor", "Monitor", "OnDemandMonitor", "PersistentMonitor"]
