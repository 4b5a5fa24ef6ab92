"""The review of a sweep as a pack tells it: text of another server, whose accounts are not ours.

Kept as it came and shown as what it is; it never becomes a review, a comment or an audit
entry here.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec

from measurements.models import AuditEntry
from tuning.evidence import tables
from tuning.evidence.seal import PackRefused
from tuning.models import Comment, Review, Sweep

Name = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comment; `deed` is what it was said with ("approved"), "" for a plain one."""

    author: Name
    at: dt.datetime
    deed: Name
    body: Text
    is_answer: bool


class Deed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the audit trail."""

    at: dt.datetime
    who: Name
    verb: Name
    details: dict[str, Any]


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`state` is that of the review there; approvals have the columns of `Approval`."""

    state: Name
    launcher: Name
    reviewer: Name
    decided_at: dt.datetime | None
    approvals: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=100)]
    comments: Annotated[list[Remark], msgspec.Meta(max_length=5000)]
    audit: Annotated[list[Deed], msgspec.Meta(max_length=20_000)]


def of_sweep(sweep: Sweep) -> Told:
    """All that was said and done, withdrawn approvals too; deleted comments without their text."""
    review = Review.of(sweep)
    approvals = review.approvals.all() if review.pk else []
    return Told(
        state=review.get_state_display(),
        launcher=_name(review.launcher),
        reviewer=_name(review.reviewer),
        decided_at=review.decided_at,
        approvals=[tables.row_of(one) for one in approvals],
        comments=[_remark(one) for one in sweep.comments.select_related("author")],
        audit=[_deed(one) for one in AuditEntry.objects.of(sweep).order_by("pk")],
    )


def read(content: bytes) -> Told:
    """What `review.json` says.

    Raises:
        PackRefused: It is none.
    """
    try:
        return msgspec.json.decode(content, type=Told)
    except msgspec.MsgspecError as error:
        raise PackRefused(f"review.json: {error}.") from error


def kept(review: dict[str, Any]) -> Told | None:
    """What an imported pack keeps of it; None if it came without a review."""
    return msgspec.convert(review, Told, strict=False) if review else None


def _name(person: Any) -> str:
    return "" if person is None else person.get_username()


def _remark(one: Comment) -> Remark:
    return Remark(
        author=_name(one.author),
        at=one.written_at,
        deed=one.get_deed_display(),
        body="" if one.deleted_at else one.body,
        is_answer=one.answers_to_id is not None,
    )


def _deed(one: AuditEntry) -> Deed:
    details = {name: value for name, value in one.details.items() if name != "was"}
    return Deed(at=one.at, who=one.actor_name or "PolyWeb", verb=one.verb, details=details)
