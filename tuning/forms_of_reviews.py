"""What is typed in a review: whom to ask, a decision's words, a comment."""

from __future__ import annotations

from typing import Any

from django import forms

from measurements.roles import REVIEWER, holders
from tuning.models import Review
from tuning.models.comments import BODY_LENGTH


class BodyField(forms.CharField):
    """Markdown; the script mention.js completes names after an @."""

    def __init__(self, **kwargs: Any) -> None:
        rows = kwargs.pop("rows", 3)
        attributes = {"rows": rows, "data-mentions": "", "maxlength": BODY_LENGTH}
        kwargs.setdefault("label", "Comment")
        super().__init__(
            max_length=BODY_LENGTH, widget=forms.Textarea(attrs=attributes), strip=True, **kwargs
        )


class CommentForm(forms.Form):
    body = BodyField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class RequestForm(forms.Form):
    reviewers = forms.ModelMultipleChoiceField(
        queryset=None,
        required=False,
        label="Ask",
        widget=forms.CheckboxSelectMultiple,
    )
    words = BodyField(label="What to look at", required=False, rows=2)

    def __init__(self, *args: Any, review: Review, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", auto_id="request_%s", **kwargs)
        others = holders(REVIEWER).exclude(pk=review.launcher_id)
        self.fields["reviewers"].queryset = others


class DecisionForm(forms.Form):
    """Of a reviewer: `deed` is the button that was pressed."""

    seen = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    unverified = forms.BooleanField(
        required=False, label="I approve it although its winner is not verified"
    )
    words = BodyField(label="Why", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", auto_id="decision_%s", **kwargs)
