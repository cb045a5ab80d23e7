"""How every session of the gate begins: it waits for nothing for ever, and what it measures does not depend on the machine."""

from typing import Final

OUR_LOCK_TIMEOUT: Final = "9999ms"  # so odd that nobody else means it
OUR_STATEMENT_TIMEOUT: Final = "59999ms"

# A revision that waits or hangs becomes a finding. Parallel workers would hide scans; the time zone decides what rewrites a timestamp;
# our own questions are planned once. A timeout that env.py asks for when it connects stays.
SESSION: Final = (
    f"SELECT set_config('lock_timeout', '{OUR_LOCK_TIMEOUT}', false) WHERE current_setting('lock_timeout') = '0'",
    f"SELECT set_config('statement_timeout', '{OUR_STATEMENT_TIMEOUT}', false) WHERE current_setting('statement_timeout') = '0'",
    "SET max_parallel_maintenance_workers = 0",
    "SET TimeZone = 'UTC'",
    "SET plan_cache_mode = force_generic_plan",
)
