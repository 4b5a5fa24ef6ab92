"""What was noted about a run stays as it is, too, while a result that rests on it is approved."""

from django.db import migrations

THERE = """
CREATE FUNCTION tuning_guard_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (TG_OP <> 'INSERT' AND tuning_run_is_frozen(OLD.run_id))
     OR (TG_OP <> 'DELETE' AND tuning_run_is_frozen(NEW.run_id)) THEN
    PERFORM tuning_refuse_frozen(lower(TG_OP) || ' of ' || TG_TABLE_NAME);
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER frozen_result BEFORE INSERT OR UPDATE OR DELETE ON measurements_runnote
  FOR EACH ROW EXECUTE FUNCTION tuning_guard_of_run();
"""
BACK = """
DROP TRIGGER frozen_result ON measurements_runnote;
DROP FUNCTION tuning_guard_of_run();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tuning", "0007_what_a_search_is_for"),
        ("measurements", "0009_notifications"),
    ]
    operations = [migrations.RunSQL(THERE, BACK)]
