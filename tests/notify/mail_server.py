"""A mail server for tests: takes letters on a free loopback port and keeps each in a file.

  python mail_server.py FOLDER OPTIONS    OPTIONS is JSON: tls ("none", "starttls", "implicit"), certificate, key, user, password

It prints its port. Recipients that begin with `nobody` are refused for good, those that begin with `busy` for now. It ends
when its standard input does, so that it never outlives the test.
"""

import asyncio
import json
import os
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Keeper:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy"):
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "authenticated": bool(session.authenticated),
            "content": envelope.content.decode("utf-8", "replace"),
        }
        self.count += 1
        written = self.folder / f".{self.count}"
        written.write_text(json.dumps(letter))
        written.rename(self.folder / f"{self.count}.json")
        return "250 OK"


def authenticator(options):
    def check(server, session, envelope, mechanism, data):
        expected = LoginPassword(options["user"].encode(), options["password"].encode())
        return AuthResult(success=data == expected, handled=data == expected)

    return check


async def serve(folder, options):
    context = None
    if options["tls"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["certificate"], options["key"])
    implicit = context if options["tls"] == "implicit" else None
    starttls = context if options["tls"] == "starttls" else None
    with_login = {}
    if "user" in options:
        with_login = {"authenticator": authenticator(options), "auth_required": True}
        with_login["auth_require_tls"] = starttls is not None

    def session():
        return SMTP(keeper, tls_context=starttls, require_starttls=starttls is not None, **with_login)

    keeper = Keeper(folder)
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


asyncio.run(serve(sys.argv[1], json.loads(sys.argv[2])))
