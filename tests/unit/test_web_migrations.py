"""The steps of the console's schema lead where the tables say, and back."""

import pytest
import sqlalchemy as sa

from commonwatt.ledger import Ledger
from commonwatt.web import schema
from commonwatt.web.database import (
    HEAD,
    console_schema_version,
    downgrade_console_schema,
    upgrade_console_schema,
)
from tests.databases import postgresql


def _shape(engine):
    found = sa.inspect(engine)
    names = sorted(name for name in found.get_table_names() if name.startswith("web_"))
    return {
        name: {
            column["name"]: (str(column["type"]), column["nullable"])
            for column in found.get_columns(name)
        }
        for name in names
        if name != "web_version"
    }


def _walk(where):
    ledger = Ledger.open(where)
    try:
        assert console_schema_version(ledger.engine) == ""
        upgrade_console_schema(ledger.engine)
        assert console_schema_version(ledger.engine) == HEAD
        migrated = _shape(ledger.engine)
        downgrade_console_schema(ledger.engine)
        assert _shape(ledger.engine) == {}
        schema.metadata.create_all(ledger.engine)
        assert migrated == _shape(ledger.engine)
        assert ledger.head().size == 0
    finally:
        ledger.engine.dispose()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_steps_make_the_tables_and_take_them_away(database, tmp_path):
    if database == "sqlite":
        _walk(tmp_path / "a.db")
    else:
        with postgresql() as url:
            _walk(url)
