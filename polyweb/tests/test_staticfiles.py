from pathlib import Path

from django.contrib.staticfiles import finders

from polyweb.staticfiles import GzippedManifestStorage


def test_plotlys_script_is_found_in_its_wheel():
    assert Path(finders.find("plotly/plotly.min.js")).stat().st_size > 1_000_000


def test_nothing_else_of_plotlys_wheel_is_served():
    files = finders.get_finder("polyweb.staticfiles.PlotlyFinder").list([])
    assert [name for name, _ in files] == ["plotly.min.js"]
    assert finders.find("plotly/widgetbundle.js") is None


def test_files_are_packed_without_brotli(tmp_path: Path):
    compressor = GzippedManifestStorage(location=tmp_path).create_compressor(quiet=True)
    assert (compressor.use_gzip, compressor.use_brotli) == (True, False)
