"""Lists: what the URL says is what is shown, in the page and in the files."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from measurements.listing import files
from measurements.listing.columns import Column, Filter
from measurements.listing.tables import TABLES
from measurements.models import Run, SavedView, Tag, TagChange
from measurements.roles import OPERATOR
from measurements.tests.rows import make_device, make_done_run, make_network, make_run, make_user

pytestmark = pytest.mark.django_db
UNITS = {"mJ/request": "mj", "ms": "ms", "W": "w", "MHz": "mhz", "Hz": "hz", "s": "s", "°C": "c",
         "M": "m", "GMAC": "gmac", "GFLOP": "gflop", "MB": "mb",
         "FLOP/byte": "flop_per_byte"}  # fmt: skip


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR))
    return client


def names(client: Client, query: str = "", *, name: str = "runs") -> list[str]:
    """The first column of the rows that are shown."""
    page = client.get(reverse(name) + query)
    assert page.status_code == 200
    return [row.values["c_name"] for row in page.context["listed"].rows]


def table_of(client: Client, query: str = "", *, name: str = "runs") -> list[dict[str, str]]:
    answer = client.get(reverse("list_csv", args=[name]) + query)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def run_of(name: str, **fields: object) -> Run:
    return make_done_run(network=make_network(name=name), **fields)


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_every_list_sorts_both_ways_and_is_shown(viewer, name):
    make_done_run()
    make_run()
    for column in TABLES[name].columns:
        for sort in (column.key, f"-{column.key}"):
            page = viewer.get(reverse(name), {"sort": sort, "columns": column.key})
            assert page.status_code == 200
            head = page.context["listed"].headings[0]
            assert head.aria_sort == ("descending" if sort.startswith("-") else "ascending")


@pytest.mark.parametrize("name", TABLES)
def test_a_column_with_a_unit_has_it_in_its_key(name):
    for column in TABLES[name].columns:
        assert not column.unit or column.key.endswith(f"_{UNITS[column.unit]}"), column.key


@pytest.mark.parametrize("name", TABLES)
def test_every_filter_of_every_list_can_be_used(viewer, name):
    make_done_run()
    for column in TABLES[name].columns:
        for query in filters_of(column):
            page = viewer.get(reverse(name), query)
            assert page.status_code == 200
            assert len(page.context["listed"].chips) == 1, column.key


def filters_of(column: Column) -> list[dict[str, str]]:
    if column.filter == Filter.VALUES:
        return [{column.key: column.choices[0][0] if column.choices else "nothing has this"}]
    if column.filter == Filter.NONE:
        return []
    value = "2026-01-01" if column.filter == Filter.DATES else "1.5"
    return [{f"{column.key}__{end}": value} for end in ("lt", "lte", "gt", "gte")]


def test_several_values_of_one_filter_widen_it_and_another_filter_narrows_it(viewer):
    device = make_device()
    run_of("one", device=device)
    run_of("two", device=device, state=Run.State.INVALID)
    make_run(network=make_network(name="three"), device=device)
    run_of("elsewhere")
    wanted = f"?state=done&state=invalid&device={device.name}"
    assert sorted(names(viewer, wanted)) == ["one", "two"]


def test_a_range_holds_a_number_in_the_unit_of_its_key(viewer):
    run_of("little", busy_energy_j=0.2)
    run_of("much", busy_energy_j=0.6)
    make_run(network=make_network(name="not known"))
    assert names(viewer, "?energy_mj__lt=400") == ["little"]
    assert names(viewer, "?energy_mj__gte=200&energy_mj__lte=200") == ["little"]
    assert names(viewer, "?energy_mj__gt=400") == ["much"]


def test_a_date_is_midnight_at_its_beginning(viewer):
    now = timezone.now()
    run_of("new", queued_at=now)
    run_of("old", queued_at=now - dt.timedelta(days=3))
    assert names(viewer, f"?queued__gte={timezone.localdate()}") == ["new"]
    assert names(viewer, f"?queued__lt={timezone.localdate()}") == ["old"]


def test_what_is_no_number_or_date_is_left_out_and_named(viewer):
    run_of("one")
    page = viewer.get(reverse("runs"), {"energy_mj__lt": "little", "queued__gte": "soon"})
    assert [row.values["c_name"] for row in page.context["listed"].rows] == ["one"]
    html = page.content.decode()
    assert "“little” is no number" in html
    assert "“soon” is no date" in html


def test_no_text_for_a_number_breaks_the_page(viewer):
    run_of("one")
    for text in ("nan", "inf", "1e400", "9" * 400, "0x10", "1_000", "'; --"):
        assert viewer.get(reverse("runs"), {"batch__lt": text}).status_code == 200


def test_words_are_words_and_no_pattern(viewer):
    run_of("plain")
    for words in ("%", "_", "\\", "'", "\x00x", "a" * 5000, "“”"):
        assert names(viewer, "?" + urlencode({"q": words})) == [], words


def test_words_find_network_device_title_and_the_beginning_of_an_id(viewer):
    run = run_of("ResNet", device=make_device(name="nano-3"), title="after the new fan")
    run_of("BERT", device=make_device(name="orin-1"))
    for words in ("resnet", "NANO", "new fan", str(run.pk)[:8], str(run.pk)):
        assert names(viewer, f"?q={words}") == ["ResNet"], words


def test_equal_values_keep_one_order_over_the_pages(viewer):
    device, network = make_device(), make_network()
    for _ in range(60):
        make_done_run(device=device, network=network)
    pages = [viewer.get(reverse("runs"), {"sort": "energy_mj", "page": n}) for n in (1, 2)]
    keys = [row.key for page in pages for row in page.context["listed"].rows]
    assert len(set(keys)) == 60


def test_unknown_values_come_last_whichever_way_one_sorts(viewer):
    make_run(network=make_network(name="not known"))
    run_of("known")
    for sort in ("energy_mj", "-energy_mj"):
        assert names(viewer, f"?sort={sort}") == ["known", "not known"]


def test_only_the_chosen_columns_are_shown_and_remembered_when_chosen_here(viewer):
    run_of("one")
    viewer.get(reverse("runs"), {"columns": ["name", "p99_ms"]})
    assert len(viewer.get(reverse("runs")).context["listed"].headings) > 2
    viewer.get(reverse("runs"), {"columns": ["name", "p99_ms"], "remember": "yes"})
    shown = viewer.get(reverse("runs")).context["listed"].headings
    assert [head.column.key for head in shown] == ["name", "p99_ms"]
    viewer.get(reverse("runs"), {"columns": "default", "remember": "yes"})
    assert len(viewer.get(reverse("runs")).context["listed"].headings) > 2


def test_a_filter_that_nothing_fits_offers_to_clear_it(viewer):
    run_of("one")
    html = viewer.get(reverse("runs"), {"state": "queued"}).content.decode()
    assert "No run fits" in html
    assert "Clear filters" in html


# Files


def test_a_file_holds_all_rows_that_match_in_their_order_with_units_and_intervals(viewer):
    for number in range(60):
        run_of(f"net {number:02d}", busy_energy_j=0.1 + number / 1000)
    rows = table_of(viewer, "?sort=-energy_mj&columns=name,energy_mj&energy_mj__gte=110")
    assert list(rows[0]) == ["id", "name", "energy_mj", "energy_half_width_mj", "provenance",
                             "origin", "measured"]  # fmt: skip
    assert len(rows) == 50
    assert rows[0]["name"] == "net 59"
    assert float(rows[0]["energy_mj"]) == pytest.approx(159)
    assert float(rows[0]["energy_half_width_mj"]) == pytest.approx(4)
    assert rows[0]["provenance"] == "emulated"


def test_what_is_unknown_is_empty_in_a_file_and_not_0(viewer):
    make_run()
    assert table_of(viewer, "?columns=energy_mj")[0]["energy_mj"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_cell_of_a_csv_file_is_a_formula(viewer, start):
    make_done_run(network=make_network(name=f"{start}HYPERLINK(1)"))
    assert table_of(viewer, "?columns=name")[0]["name"] == f"'{start}HYPERLINK(1)"


def test_a_parquet_file_has_types_and_units_in_its_schema(viewer):
    run_of("one", busy_energy_j=0.4)
    answer = viewer.get(
        reverse("list_parquet", args=["runs"]), {"columns": "name,batch,energy_mj,queued"}
    )
    table = pq.read_table(io.BytesIO(b"".join(answer.streaming_content)))
    assert table.column("energy_mj").to_pylist() == [pytest.approx(400)]
    assert table.column("batch").to_pylist() == [1]
    assert table.schema.field("energy_mj").metadata[b"unit"] == b"mJ/request"
    assert str(table.schema.field("queued").type) == "timestamp[us, tz=UTC]"
    assert table.schema.metadata[b"polyweb.list"] == b"runs"


def test_more_rows_than_a_file_may_hold_are_refused_with_the_way_out(viewer, monkeypatch):
    monkeypatch.setattr(files, "MOST_ROWS", 1)
    run_of("one")
    run_of("two")
    answer = viewer.get(reverse("list_csv", args=["runs"]), {"state": "done"}, follow=True)
    assert "2 rows match and a file may hold 1" in answer.content.decode()
    assert answer.redirect_chain[0][0] == "/runs/?state=done"


@pytest.mark.parametrize("name", TABLES)
def test_every_list_with_every_column_can_be_had_as_both_files(viewer, name):
    make_done_run()
    every = ",".join(column.key for column in TABLES[name].columns)
    for kind in ("csv", "parquet"):
        answer = viewer.get(reverse(f"list_{kind}", args=[name]), {"columns": every})
        assert len(b"".join(answer.streaming_content)) > 100


def test_there_is_no_file_of_another_table(viewer):
    assert viewer.get(reverse("list_csv", args=["users"])).status_code == 404


# Tags


def tag(client: Client, runs: list[Run], tags: str, deed: str = "add", **more: str):
    data = {"row": [str(run.pk) for run in runs], "tags": tags, "deed": deed, **more}
    return client.post(reverse("list_tags", args=["runs"]), data, follow=True)


def test_tags_are_put_on_the_marked_rows_found_again_and_taken_off(operator):
    one, two = run_of("one"), run_of("two")
    run_of("three")
    tag(operator, [one, two], "winter, to check")
    assert sorted(names(operator, "?tag=winter")) == ["one", "two"]
    tag(operator, [one], "Winter", deed="remove")
    assert names(operator, "?tag=winter") == ["two"]
    assert list(one.tags.values_list("name", flat=True)) == ["to check"]


def test_a_change_of_tags_is_undone_to_what_was_there_before(operator):
    one, two = run_of("one"), run_of("two")
    tag(operator, [one], "kept")
    page = tag(operator, [one, two], "kept")
    assert "kept added to 1 run" in " ".join(page.content.decode().split())
    operator.post(reverse("tags_undo", args=[page.context["undo"].pk]))
    assert list(one.tags.all()) == list(Tag.objects.all())
    assert not two.tags.exists()


def test_undoing_twice_changes_nothing_more(operator):
    run = run_of("one")
    change = tag(operator, [run], "a").context["undo"]
    operator.post(reverse("tags_undo", args=[change.pk]))
    tag(operator, [run], "a")
    operator.post(reverse("tags_undo", args=[change.pk]))
    assert run.tags.count() == 1


def test_all_rows_that_match_can_be_tagged_beyond_the_page(operator):
    device, network = make_device(), make_network()
    for _ in range(55):
        make_done_run(device=device, network=network)
    make_run(device=device, network=network)
    tag(operator, [], "all done", all="yes", query="state=done&page=2")
    assert Run.objects.filter(tags__name="all done").count() == 55
    assert TagChange.objects.get().rows == 55


@pytest.mark.parametrize("text", ["", " , ", "a" * 41, "<b>", "-x", ",".join(map(str, range(11)))])
def test_words_that_are_no_tags_are_refused(operator, text):
    tag(operator, [run_of("one")], text)
    assert not Tag.objects.exists()
    assert not TagChange.objects.exists()


def test_rows_that_are_none_are_refused(operator):
    data = {"row": ["17", "x"], "tags": "a"}
    page = operator.post(reverse("list_tags", args=["runs"]), data, follow=True)
    assert "These rows are not known" in page.content.decode()


def test_a_viewer_can_tag_nothing_and_somebody_else_s_change_cannot_be_undone(client):
    run, mine = run_of("one"), make_user(OPERATOR)
    client.force_login(mine)
    change = tag(client, [run], "a").context["undo"]
    client.force_login(make_user())
    assert client.post(reverse("list_tags", args=["runs"]), {"tags": "a"}).status_code == 403
    client.force_login(make_user(OPERATOR))
    assert client.post(reverse("tags_undo", args=[change.pk])).status_code == 404


@pytest.mark.parametrize("name", ["networks", "devices"])
def test_networks_and_devices_have_tags_too(operator, name):
    run = run_of("one")
    row = getattr(run, name[:-1])
    operator.post(reverse("list_tags", args=[name]), {"row": [row.pk], "tags": "a"})
    assert names(operator, "?tag=a", name=name) == [row.name]


# Saved views


def save(client: Client, query: str, name: str, **fields: str):
    data = {"query": query, "name": name, **fields}
    return client.post(reverse("view_save", args=["runs"]), data)


def test_a_saved_view_keeps_filters_order_and_columns_and_nothing_else(viewer):
    save(viewer, "state=done&sort=-p95_ms&columns=name,p95_ms&page=3&evil=1", "Slow ones")
    view = SavedView.objects.get()
    assert view.query == "state=done&sort=-p95_ms&columns=name%2Cp95_ms"
    page = viewer.get(f"/runs/?{view.query}")
    assert page.context["view"] == view
    assert "Slow ones" in page.content.decode()


def test_a_view_is_its_owner_s_until_it_is_shared(client):
    owner, other = make_user(), make_user()
    client.force_login(owner)
    save(client, "state=done", "Mine")
    view = SavedView.objects.get()
    client.force_login(other)
    assert client.get(reverse("runs")).context["views"] == []
    assert client.post(reverse("view_deed", args=[view.pk, "default"])).status_code == 404
    client.force_login(owner)
    client.post(reverse("view_deed", args=[view.pk, "share"]))
    client.force_login(other)
    assert client.get(reverse("runs")).context["views"] == [view]


def test_a_default_view_opens_with_the_list_and_only_for_who_chose_it(client):
    owner = make_user()
    client.force_login(owner)
    save(client, "state=done", "Mine", is_shared="on")
    view = SavedView.objects.get()
    client.post(reverse("view_deed", args=[view.pk, "default"]))
    assert client.get(reverse("runs")).url == f"/runs/?{view.query}"
    assert client.get(reverse("runs"), {"view": "all"}).status_code == 200
    client.force_login(make_user())
    assert client.get(reverse("runs")).status_code == 200


def test_a_view_that_is_shared_no_more_is_nobody_else_s_default(client):
    owner, other = make_user(), make_user()
    view = SavedView.objects.create(table="runs", name="v", owner=owner, is_shared=True)
    view.make_default(other)
    view.share(False)
    client.force_login(other)
    assert client.get(reverse("runs")).status_code == 200


@pytest.mark.parametrize("deed", ["rename", "delete", "share", "keep"])
def test_only_its_owner_and_admins_change_a_view(client, deed):
    view = SavedView.objects.create(table="runs", name="v", owner=make_user(), is_shared=True)
    client.force_login(make_user(OPERATOR))
    client.post(reverse("view_deed", args=[view.pk, deed]), {"name": "stolen"})
    assert SavedView.objects.filter(name="v", is_shared=True).exists()


def test_an_owner_renames_and_deletes(viewer):
    save(viewer, "", "v")
    save(viewer, "", "w")
    view = SavedView.objects.get(name="v")
    viewer.post(reverse("view_deed", args=[view.pk, "rename"]), {"name": "w"})
    assert SavedView.objects.filter(name="v").exists()
    viewer.post(reverse("view_deed", args=[view.pk, "rename"]), {"name": "better"})
    assert SavedView.objects.filter(name="better").exists()
    viewer.post(reverse("view_deed", args=[view.pk, "delete"]))
    assert not SavedView.objects.filter(pk=view.pk).exists()


def test_two_views_of_one_name_are_refused_with_the_reason(viewer):
    save(viewer, "", "v")
    save(viewer, "state=done", "v")
    page = viewer.get(reverse("runs"), {"view": "all"})
    assert SavedView.objects.count() == 1
    assert "There is a view “v” already" in page.content.decode()


@pytest.mark.parametrize("name", TABLES)
def test_a_full_list_costs_few_queries(viewer, name, django_assert_max_num_queries):
    device, network = make_device(), make_network()
    for _ in range(55):
        make_done_run(device=device, network=network)
    with django_assert_max_num_queries(12):
        viewer.get(reverse(name), {"q": "o", "state": "done"} if name == "runs" else {})
