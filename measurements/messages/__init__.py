"""Plan, Record, LiveFrame and the small talk around them: the only types both sides share.

Sent as MessagePack over HTTPS (`encode`, `decode`), and as JSON builtins inside a
Celery message. Units are in the names; an unknown value is None, never 0. Times
`t_s`, `start_s`, `t_us` count from the run's start on the board's own clock.
"""

from __future__ import annotations

from measurements.messages.boards import BoardInfo, OperatingPoint, Provenance, Rail, RailPart
from measurements.messages.plans import (
    ArrivalKind,
    Arrivals,
    FeaturesUnknown,
    Gate,
    NetworkFeatures,
    Plan,
    Stopping,
    Work,
)
from measurements.messages.records import (
    Fault,
    Phase,
    PhaseName,
    Record,
    Requests,
    SamplerCpu,
    Samples,
    StoppedBecause,
)
from measurements.messages.talk import (
    Applied,
    ClaimReply,
    Heartbeat,
    HeartbeatReply,
    LiveFrame,
    RejectedRecord,
    Standing,
)
from measurements.messages.wire import (
    MAX_RECORD_BYTES,
    MEDIA_TYPE,
    OLDEST_VERSION,
    VERSION,
    UnsupportedVersion,
    decode,
    encode,
)

__all__ = [
    "BoardInfo",
    "OperatingPoint",
    "Provenance",
    "Rail",
    "RailPart",
    "ArrivalKind",
    "Arrivals",
    "FeaturesUnknown",
    "Gate",
    "NetworkFeatures",
    "Plan",
    "Stopping",
    "Work",
    "Fault",
    "Phase",
    "PhaseName",
    "Record",
    "Requests",
    "SamplerCpu",
    "Samples",
    "StoppedBecause",
    "Applied",
    "ClaimReply",
    "Heartbeat",
    "HeartbeatReply",
    "LiveFrame",
    "RejectedRecord",
    "Standing",
    "MAX_RECORD_BYTES",
    "MEDIA_TYPE",
    "OLDEST_VERSION",
    "UnsupportedVersion",
    "VERSION",
    "decode",
    "encode",
]
