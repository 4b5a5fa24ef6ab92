from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse

from measurements.messages import NetworkFeatures

from .devices import Device
from .replay import ReplayTable
from .tags import Tag


class NetworkQuerySet(models.QuerySet["Network"]):
    def for_device(self, device: Device | None) -> NetworkQuerySet:
        """What can run on `device`: a replay board has its table's workloads, and no other has.

        A network that came with an evidence pack has no file, so nothing can run it.
        """
        if device is None:
            return self
        there = Q(builtin__gt="") | Q(file__gt="") | Q(replay_table__isnull=False)
        return self.filter(there, replay_table=device.replay_table_id)


class Network(models.Model):
    """A neural network and what its ONNX graph says of it.

    FLOPs and bytes are affine in the batch size: fixed + per item × batch size.
    A built-in network has no file (and so no hash) until something runs its graph.
    A workload of a replay table has neither graph nor file: its features are NULL.
    """

    name = models.CharField(max_length=120, unique=True)
    builtin = models.CharField(max_length=60, blank=True, help_text="Name in measurements.zoo")
    replay_table = models.ForeignKey(
        ReplayTable, null=True, on_delete=models.PROTECT, related_name="workloads"
    )
    workload = models.CharField(max_length=40, blank=True, help_text="Name in the replay table")
    file = models.FileField(upload_to="networks/", blank=True)
    sha256 = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001 unknown is NULL
    size_bytes = models.BigIntegerField(null=True)
    input_name = models.CharField(max_length=200, blank=True)
    input_shape = ArrayField(
        models.IntegerField(null=True),
        default=list,
        blank=True,
        help_text="NULL: a free axis; empty: no graph",
    )
    input_dtype = models.CharField(max_length=20, blank=True)
    batch_is_dynamic = models.BooleanField()
    parameters = models.BigIntegerField(null=True)
    macs_per_item = models.FloatField(null=True, help_text="Convolutions and dense layers only")
    flops_per_item = models.FloatField(null=True)
    flops_fixed = models.FloatField(null=True)
    bytes_per_item = models.FloatField(null=True)
    bytes_fixed = models.FloatField(null=True)
    opset = models.PositiveIntegerField(null=True)
    operators = models.JSONField(default=dict, help_text="How many nodes of each type")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    tags = models.ManyToManyField(Tag, related_name="networks")

    objects = NetworkQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(parameters__gte=0)
                & Q(flops_per_item__gte=0)
                & Q(bytes_per_item__gte=0),
                name="network_features_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(builtin__gt="")
                | Q(sha256__isnull=False)
                | Q(replay_table__isnull=False, workload__gt=""),
                name="network_is_built_in_or_has_a_file_or_a_cell",
            ),
            models.CheckConstraint(
                condition=Q(replay_table__isnull=False)
                | Q(
                    parameters__isnull=False,
                    macs_per_item__isnull=False,
                    flops_per_item__isnull=False,
                    flops_fixed__isnull=False,
                    bytes_per_item__isnull=False,
                    bytes_fixed__isnull=False,
                    opset__isnull=False,
                    input_shape__len__gt=0,
                ),
                name="network_with_a_graph_has_features",
            ),
            models.UniqueConstraint(
                fields=["replay_table", "workload"], name="workload_once_per_replay_table"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("network", args=[self.pk])

    @property
    def only_batch_size(self) -> int | None:
        """The one batch size that the graph takes; None if it takes any."""
        if self.batch_is_dynamic:
            return None
        return self.input_shape[0] if self.input_shape else 1

    @property
    def has_graph(self) -> bool:
        return self.replay_table_id is None

    @property
    def takes_images(self) -> bool:
        """Whether a CPU has much to do before each inference: to decode and resize a picture."""
        return self.has_graph and len(self.input_shape) == 4

    def features(self) -> NetworkFeatures:
        return NetworkFeatures(
            name=self.name,
            sha256=self.sha256,
            input_name=self.input_name,
            input_shape=self.input_shape,
            input_dtype=self.input_dtype,
            flops_per_item=self.flops_per_item,
            flops_fixed=self.flops_fixed,
            bytes_per_item=self.bytes_per_item,
            bytes_fixed=self.bytes_fixed,
            workload=self.workload or None,
        )

    def flops(self, batch_size: int) -> float:
        return self.features().flops(batch_size)

    def bytes_moved(self, batch_size: int) -> float:
        return self.features().bytes_moved(batch_size)

    def arithmetic_intensity(self, batch_size: int = 1) -> float:
        """FLOPs per byte moved."""
        return self.flops(batch_size) / self.bytes_moved(batch_size)
