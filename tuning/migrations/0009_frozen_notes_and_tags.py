"""Notes and tags stay as they are, too, while a result is approved."""

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
CREATE TRIGGER frozen_result BEFORE INSERT OR UPDATE OR DELETE ON measurements_run_tags
  FOR EACH ROW EXECUTE FUNCTION tuning_guard_of_run();
CREATE TRIGGER frozen_result BEFORE INSERT OR UPDATE OR DELETE ON tuning_sweep_tags
  FOR EACH ROW EXECUTE FUNCTION tuning_guard_sweep('sweep_id', 'SELECT $1');
"""
BACK = """
DROP TRIGGER frozen_result ON tuning_sweep_tags;
DROP TRIGGER frozen_result ON measurements_run_tags;
DROP TRIGGER frozen_result ON measurements_runnote;
DROP FUNCTION tuning_guard_of_run();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tuning", "0008_sweep_tags"),
        ("measurements", "0010_tags_and_views"),
    ]
    operations = [migrations.RunSQL(THERE, BACK)]
