"""The emulated boards, by kind. Each is data over the one model."""

from __future__ import annotations

from .agx_orin import AGX_ORIN, AGX_ORIN_JP6
from .data import BoardData
from .orin_nano import ORIN_NANO
from .tx2 import TX2
from .xavier_nx import XAVIER_NX

BOARDS: dict[str, BoardData] = {
    board.kind: board for board in (AGX_ORIN, AGX_ORIN_JP6, ORIN_NANO, XAVIER_NX, TX2)
}
