"""A console for the measurements beside this file: `web_server.py STORE [WORKERS [SESSIONS]]`.

Prints address, cookie and the sessions of somebody with every role, then answers.
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import commonwatt.web.auth.accounts as accounts
from commonwatt.web.auth.access import session_cookie_name
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.serve import bind_console_socket, serve_console
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings


def main() -> None:
    sock = bind_console_socket("127.0.0.1", 0)
    address = f"http://127.0.0.1:{sock.getsockname()[1]}"
    settings = replace(Settings.of(Path(sys.argv[1]), address=address), requests_per_minute=0)
    desk = open_console_services(settings, now=datetime.now(UTC))
    now = datetime.now(UTC)
    accounts.make_account(desk, "bench", set(ConsoleRole), by="bench", now=now)
    many = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    sessions = [accounts.begin_account_session(desk, "bench", now=now).secret for _ in range(many)]
    print(address, session_cookie_name(settings), *sessions, flush=True)
    desk.database.dispose()
    serve_console(settings, sock, int(sys.argv[2]) if len(sys.argv) > 2 else 1)


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else None
