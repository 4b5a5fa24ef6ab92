"""An index for words inside run titles, where the server has the extension pg_trgm.

A team's server may refuse CREATE EXTENSION. Searching then reads the table: slower with very
many runs, and the same in what it finds.
"""

from django.db import DatabaseError, migrations, transaction

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
INDEX = (
    "CREATE INDEX IF NOT EXISTS run_title_trigrams ON measurements_run "
    "USING gin (upper(title::text) gin_trgm_ops)"
)


def create(apps, schema_editor):
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute(EXTENSION)
            schema_editor.execute(INDEX)
    except DatabaseError as error:
        reason = str(error).splitlines()[0]
        print(f"\n  No trigram index: searching reads the whole list of runs ({reason}).", end="")


def drop(apps, schema_editor):
    schema_editor.execute("DROP INDEX IF EXISTS run_title_trigrams")


class Migration(migrations.Migration):
    dependencies = [("measurements", "0010_tags_and_views")]
    operations = [migrations.RunPython(create, drop)]
