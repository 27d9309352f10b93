"""A real OpenID Connect provider on the loopback address, by Authlib's server side.

It knows one client and says yes for whoever `login` names, as if they had signed in before; whom
it has to ask is whoever sits `at_desk`.
"""

import json
import os
import secrets
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from joserfc.jwk import RSAKey

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the loopback address has no certificate
CLIENT, SECRET = "console", "not so secret"


@dataclass
class Person:
    sub: str
    name: str
    roles: object = field(default_factory=list)
    claims: dict = field(default_factory=dict)  # more of the identity token
    userinfo: dict = field(default_factory=dict)  # said at the endpoint for it alone

    def get_user_id(self):
        return self.sub


@dataclass
class Client:
    back: str

    def get_client_id(self):
        return CLIENT

    def get_default_redirect_uri(self):
        return self.back

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, uri):
        return uri == self.back

    def check_client_secret(self, secret):
        return secrets.compare_digest(secret, SECRET)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, kind):
        return kind == "code"

    def check_grant_type(self, kind):
        return kind == "authorization_code"


@dataclass
class Code:
    code: str
    redirect_uri: str
    scope: str
    nonce: str
    user: Person
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return self.user.claims.get("auth_time", int(time.time()))

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Payload(OAuth2Payload):
    def __init__(self, given):
        self._given = given

    @property
    def data(self):
        return self._given

    @property
    def datalist(self):
        return defaultdict(list, {name: [value] for name, value in self._given.items()})


class Asked(OAuth2Request):
    @property
    def form(self):
        return self.payload.data

    @property
    def args(self):
        return self.payload.data


class Grant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code, request):
        given = request.payload.data
        self.server.codes[code] = Code(
            code=code,
            redirect_uri=given["redirect_uri"],
            scope=given["scope"],
            nonce=given["nonce"],
            user=request.user,
            code_challenge=given.get("code_challenge", ""),
            code_challenge_method=given.get("code_challenge_method", ""),
        )

    def query_authorization_code(self, code, client):
        return self.server.codes.get(code)

    def delete_authorization_code(self, code):
        self.server.codes.pop(code.code, None)

    def authenticate_user(self, code):
        return code.user


class Server(AuthorizationServer):
    def __init__(self, issuer, back):
        super().__init__(scopes_supported=["openid", "profile", "email"])
        self.issuer, self.client, self.codes = issuer, Client(back), {}
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.login = Person("p-1", "Ada Chan")
        self.at_desk = None
        self.spoil = {}  # claims that a test wants wrong
        self.about = {}  # what it says of itself besides
        self.asked, self.ended = [], []  # parameters of its pages of sign-in and sign-out
        self.keys = None  # what it shows for keys instead of its own
        self.known = {}  # who holds an access token
        self.register_grant(Grant, [CodeChallenge(required=True), Words(self)])
        self.register_token_generator("default", self._token)

    def query_client(self, client_id):
        return self.client if client_id == CLIENT else None

    def save_token(self, token, request):
        self.known[token["access_token"]] = request.user

    def end_session(self, given):
        self.ended.append(given)
        self.login = None

    def sign_in(self, given):
        self.asked.append(given)
        if self.at_desk and (self.login is None or given.get("prompt") == "login"):
            self.login = self.at_desk
        return self.login

    def send_signal(self, name, *args, **kwargs):
        pass

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        return status, body, headers

    @staticmethod
    def _token(**grant):
        token = {"token_type": "Bearer", "access_token": secrets.token_urlsafe()}
        return token | {"expires_in": 60, "scope": grant["scope"]}


class Words(OpenIDCode):
    """What the identity token says."""

    def __init__(self, server):
        super().__init__(require_nonce=True)
        self.mine = server

    def exists_nonce(self, nonce, request):
        return False

    def resolve_client_private_key(self, client):
        return self.mine.key

    def get_client_algorithm(self, client):
        return "RS256"

    def get_client_claims(self, client):
        now = int(time.time())
        claims = {"iss": self.mine.issuer, "aud": [CLIENT], "iat": now, "exp": now + 60}
        return claims | self.mine.spoil

    def generate_user_info(self, user, scope):
        claims = {"sub": user.sub, "preferred_username": user.name} | user.claims
        if user.roles is not None:
            claims["roles"] = user.roles
        return UserInfo(**{name: claim for name, claim in claims.items() if name != "auth_time"})


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server, path = self.server.oidc, urlsplit(self.path)
        if path.path == "/.well-known/openid-configuration":
            return self._json(
                {
                    "issuer": server.issuer,
                    "authorization_endpoint": f"{server.issuer}/authorize",
                    "token_endpoint": f"{server.issuer}/token",
                    "jwks_uri": f"{server.issuer}/keys",
                    **server.about,
                }
            )
        if path.path == "/keys":
            if server.keys is not None:
                return self._json(server.keys)
            return self._json({"keys": [server.key.as_dict(private=False)]})
        given = dict(parse_qsl(path.query))
        if path.path == "/logout":
            server.end_session(given)
            return self._answer((302, "", [("Location", given["post_logout_redirect_uri"])]))
        if path.path == "/userinfo":
            token = self.headers["authorization"].removeprefix("Bearer ")
            user = server.known[token]
            return self._json({"sub": user.sub} | user.userinfo)
        request, person = self._request(given), server.sign_in(given)
        grant = server.get_consent_grant(request, end_user=person)
        return self._answer(
            server.create_authorization_response(request, grant_user=person, grant=grant)
        )

    def do_POST(self):
        length = int(self.headers["content-length"])
        given = dict(parse_qsl(self.rfile.read(length).decode()))
        request = self._request(given)
        return self._answer(self.server.oidc.create_token_response(request))

    def _request(self, given):
        made = Asked(self.command, f"{self.server.oidc.issuer}{self.path}")
        made.headers = {name.title(): value for name, value in self.headers.items()}
        made.payload = Payload(given)
        return made

    def _json(self, data):
        self._answer((200, data, [("Content-Type", "application/json")]))

    def _answer(self, answer):
        status, body, headers = answer
        text = body if isinstance(body, str) else json.dumps(body or {})
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


class Provider:
    """The provider, in a thread of its own."""

    def __init__(self):
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def open(self, back):
        self._http.oidc = Server(self.issuer, back)
        self._thread.start()
        return self._http.oidc

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)


__all__ = ["CLIENT", "SECRET", "OAuth2Error", "Person", "Provider"]
