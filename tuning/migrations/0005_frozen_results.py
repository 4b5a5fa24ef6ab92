"""The database itself refuses to change an approved result: no code has to remember it."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION tuning_sweep_is_frozen(sweep bigint) RETURNS boolean LANGUAGE sql AS $$
  SELECT EXISTS (SELECT 1 FROM tuning_review r WHERE r.sweep_id = sweep AND r.state = 'approved');
$$;

CREATE FUNCTION tuning_run_is_frozen(run uuid) RETURNS boolean LANGUAGE sql AS $$
  SELECT EXISTS (
    SELECT 1 FROM tuning_trialrun l JOIN tuning_trial t ON t.id = l.trial_id
      JOIN tuning_review r ON r.sweep_id = t.sweep_id
      WHERE l.run_id = run AND r.state = 'approved'
  ) OR EXISTS (
    SELECT 1 FROM tuning_verificationrun v JOIN tuning_verification f ON f.id = v.verification_id
      JOIN tuning_review r ON r.sweep_id = f.sweep_id
      WHERE v.run_id = run AND r.state = 'approved'
  ) OR EXISTS (
    SELECT 1 FROM tuning_cputrialrun c JOIN tuning_cputrial t ON t.id = c.trial_id
      JOIN tuning_cpuphase p ON p.id = t.phase_id JOIN tuning_review r ON r.sweep_id = p.sweep_id
      WHERE c.run_id = run AND r.state = 'approved'
  );
$$;

CREATE FUNCTION tuning_refuse_frozen(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the result is approved and frozen: % is refused until a reviewer withdraws the approval', what
    USING ERRCODE = 'restrict_violation';
END $$;

-- Rows of a sweep: the column TG_ARGV[0], put into the query TG_ARGV[1], gives the sweep's key.
CREATE FUNCTION tuning_guard_sweep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  loose text[] := ARRAY['created_by_id', 'forked_from_id'];
  was jsonb; is_ jsonb; kept jsonb; sweep bigint;
BEGIN
  IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD) - loose; END IF;
  IF TG_OP <> 'DELETE' THEN is_ := to_jsonb(NEW) - loose; END IF;
  IF TG_OP = 'UPDATE' AND was = is_ THEN RETURN NEW; END IF;
  FOREACH kept IN ARRAY array_remove(ARRAY[was, is_], NULL) LOOP
    EXECUTE TG_ARGV[1] INTO sweep USING (kept ->> TG_ARGV[0])::bigint;
    IF tuning_sweep_is_frozen(sweep) THEN
      PERFORM tuning_refuse_frozen(lower(TG_OP) || ' of ' || TG_TABLE_NAME);
    END IF;
  END LOOP;
  RETURN coalesce(NEW, OLD);
END $$;

CREATE FUNCTION tuning_guard_run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE loose text[] := ARRAY['created_by_id', 'repeat_of_id', 'then'];
BEGIN
  IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - loose = to_jsonb(OLD) - loose THEN RETURN NEW; END IF;
  IF tuning_run_is_frozen(OLD.id) THEN
    PERFORM tuning_refuse_frozen(lower(TG_OP) || ' of ' || TG_TABLE_NAME);
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;

-- Samples and the like: one look for each run that a statement touches.
CREATE FUNCTION tuning_guard_records() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM (SELECT DISTINCT run_id FROM gone) g WHERE tuning_run_is_frozen(g.run_id)) THEN
    PERFORM tuning_refuse_frozen(lower(TG_OP) || ' of ' || TG_TABLE_NAME);
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION tuning_guard_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state = 'approved' THEN PERFORM tuning_refuse_frozen('delete of ' || TG_TABLE_NAME); END IF;
  RETURN OLD;
END $$;
"""
SWEEP, OF_TRIAL = "SELECT $1", "SELECT sweep_id FROM tuning_trial WHERE id = $1"
OF_VERIFICATION = "SELECT sweep_id FROM tuning_verification WHERE id = $1"
OF_PHASE = "SELECT sweep_id FROM tuning_cpuphase WHERE id = $1"
OF_CPU_TRIAL = (
    "SELECT p.sweep_id FROM tuning_cputrial t JOIN tuning_cpuphase p ON p.id = t.phase_id "
    "WHERE t.id = $1"
)
# Of a sweep: (table, its column, the query that gives the sweep).
OF_SWEEPS = (
    ("tuning_sweep", "id", SWEEP),
    ("tuning_sweepaxis", "sweep_id", SWEEP),
    ("tuning_sweep_others", "sweep_id", SWEEP),
    ("tuning_trial", "sweep_id", SWEEP),
    ("tuning_verification", "sweep_id", SWEEP),
    ("tuning_cpuphase", "sweep_id", SWEEP),
    ("tuning_trialrun", "trial_id", OF_TRIAL),
    ("tuning_verificationrun", "verification_id", OF_VERIFICATION),
    ("tuning_cputrial", "phase_id", OF_PHASE),
    ("tuning_cputrialrun", "trial_id", OF_CPU_TRIAL),
)
# Whatever is approved has ended: claims and heartbeats of other runs pay nothing.
ENDED = "WHEN (OLD.state NOT IN ('queued', 'running'))"
GUARDED = (
    *(
        (table, f"tuning_guard_sweep('{column}', '{query}')", "INSERT OR UPDATE OR DELETE", "")
        for table, column, query in OF_SWEEPS
    ),
    ("measurements_run", "tuning_guard_run()", "UPDATE OR DELETE", ENDED),
    ("tuning_review", "tuning_guard_review()", "DELETE", ""),
)
OF_RUNS = (
    "measurements_powersample",
    "measurements_requestlog",
    "measurements_phase",
    "measurements_verdict",
)
NAMES = (
    "sweep_is_frozen(bigint)",
    "run_is_frozen(uuid)",
    "refuse_frozen(text)",
    "guard_sweep()",
    "guard_run()",
    "guard_records()",
    "guard_review()",
)


def triggers() -> str:
    rows = [
        f"CREATE TRIGGER frozen_result BEFORE {deeds} ON {table} "
        f"FOR EACH ROW {when} EXECUTE FUNCTION {function};"
        for table, function, deeds, when in GUARDED
    ]
    rows += [
        f"CREATE TRIGGER frozen_{deed.lower()} AFTER {deed} ON {table} REFERENCING OLD TABLE AS gone "
        "FOR EACH STATEMENT EXECUTE FUNCTION tuning_guard_records();"
        for table in OF_RUNS
        for deed in ("UPDATE", "DELETE")
    ]
    return "\n".join(rows)


def no_triggers() -> str:
    rows = [f"DROP TRIGGER frozen_result ON {table};" for table, *_ in GUARDED]
    rows += [
        f"DROP TRIGGER frozen_{deed} ON {table};" for table in OF_RUNS for deed in ("update", "delete")
    ]
    return "\n".join(rows + [f"DROP FUNCTION tuning_{name};" for name in NAMES])


class Migration(migrations.Migration):
    dependencies = [("tuning", "0004_review")]
    operations = [migrations.RunSQL(FUNCTIONS + triggers(), no_triggers())]
