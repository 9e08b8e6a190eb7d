"""What a symptom most likely comes from, and what to do about it. A table, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from cableway.cli.doctor.symptoms import Symptom

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Remedy:
    """What is known about a symptom."""

    cause: str
    """The likely one."""
    advice: str
    """What to do."""


_LOGIN: Final = "Log in to the network by a browser, or use another network; check host and path of the address"

REMEDIES: Final[Mapping[Symptom, Remedy]] = {
    # The token
    Symptom.NO_TOKEN: Remedy("The source of tokens gives none", "See to that source first: nothing was dialled"),
    # The proxy
    Symptom.PROXY_ASKS_LOGIN: Remedy(
        "The proxy wants a user and a password, or other ones",
        "Put them into its address, in the environment: HTTPS_PROXY=http://user:password@proxy:3128",
    ),
    Symptom.PROXY_FORBIDS: Remedy(
        "The proxy makes no tunnels to this host or port, as a WebSocket needs one",
        "Have the proxy allow CONNECT to this host and port; if the host is near, put it into NO_PROXY",
    ),
    Symptom.PROXY_LOST: Remedy(
        "The proxy does not reach the server: it cannot find the name, or its own way there is barred",
        "Ask whoever runs the proxy; if the host is near, put it into NO_PROXY",
    ),
    Symptom.PROXY_UNREACHED: Remedy(
        "The proxy is down, its address is wrong, or it speaks something else than its address says",
        "Check the proxy's address, with its scheme (http, https, socks5h); --no-proxy tries without",
    ),
    Symptom.PROXY_UNUSABLE: Remedy(
        "This kind of proxy cannot be used as things are",
        "Install what the text names, give an HTTP proxy by --proxy, or try --no-proxy",
    ),
    # The name and the port
    Symptom.NAME_UNKNOWN: Remedy(
        "The host name is misspelt, or known only in another network (a VPN, a company's own DNS)",
        "Check the name; if it is right, ask another DNS server or connect to the VPN",
    ),
    Symptom.NAME_UNANSWERED: Remedy(
        "No DNS server answers: this machine is offline, or DNS is blocked", "Check the network and its DNS servers"
    ),
    Symptom.REFUSED: Remedy(
        "Nothing listens at this port: the server is down, or it is another port", "Start it, or correct the port"
    ),
    Symptom.NO_ROUTE: Remedy(
        "This machine has no way to that address: it is offline, or a VPN is missing", "Check the network"
    ),
    Symptom.NO_ANSWER: Remedy(
        "A firewall drops what is sent to this port, or the host is down",
        "Check the host and the port; ask for the port to be opened: 443 is open nearly everywhere",
    ),
    Symptom.DEAD_ADDRESS: Remedy(
        "One of the host's addresses does not answer: often IPv6 that leads nowhere",
        "The line comes up by the others, a quarter of a second later; take the dead address out of the DNS",
    ),
    Symptom.CUT: Remedy(
        "A firewall or a load balancer cuts the connection, or the server does",
        "Ask whoever runs the network or the server; the port may be for something else",
    ),
    # TLS
    Symptom.EXPIRED: Remedy(
        "The certificate was not renewed in time, or the clock of this machine is wrong",
        "Renew it on the server; if it has not ended, set the clock here",
    ),
    Symptom.NOT_YET_VALID: Remedy(
        "The clock of this machine is slow, or the certificate was made for later", "Set the clock of this machine"
    ),
    Symptom.ENDS_SOON: Remedy("The certificate was not renewed yet", "Renew it on the server before it ends"),
    Symptom.OTHER_HOST: Remedy(
        "The address names the server differently than its certificate does, or another server answers",
        "Dial a name that the certificate is for, or have this name put into it",
    ),
    Symptom.UNKNOWN_AUTHORITY: Remedy(
        "An authority of your own has signed it, something on the way opens TLS, or the server sends half its chain",
        "If you trust the issuer: --cacert FILE (in a program ssl=); else have the server send its whole chain",
    ),
    Symptom.BAD_CERTIFICATE: Remedy("The certificate is not fit for this use, or revoked", "Have it made anew"),
    Symptom.NOT_TLS: Remedy(
        "The port does not speak TLS", "Take the port that does, or begin the address with ws:// if that is meant"
    ),
    Symptom.WANTS_CERTIFICATE: Remedy(
        "The server asks for a certificate of ours, or does not accept the one it gets",
        "Give one that it knows: --cert FILE --key FILE (in a program ssl=)",
    ),
    Symptom.OLD_TLS: Remedy("The server has no version of TLS that is safe today", "Update the server"),
    Symptom.TLS_CUT: Remedy(
        "The port does not speak TLS, or a firewall cuts connections by the name in them",
        "Check the port; without TLS the address begins with ws://; try another network",
    ),
    Symptom.TLS_SILENT: Remedy(
        "The port takes connections and says nothing: it does not speak TLS, or something on the way holds it back",
        "Check the port; try another network",
    ),
    # What answers, and how
    Symptom.NOT_HTTP: Remedy(
        "The port speaks something else: TLS, or another protocol", "Check the port; with TLS it is wss://"
    ),
    Symptom.SOMETHING_ELSE: Remedy(
        "A login page of the network answers, or another server than ours has this path", _LOGIN
    ),
    Symptom.REDIRECT: Remedy(
        "A login page of the network, or a server that has moved, sends us elsewhere; credentials stay here", _LOGIN
    ),
    Symptom.LOGIN: Remedy("The network asks for a login", "Log in by a browser, or use another network"),
    Symptom.UPGRADE_DROPPED: Remedy(
        "A proxy on the way passes the request on without its Upgrade header",
        "In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        'proxy_set_header Connection "upgrade"; in others look for "WebSocket support"',
    ),
    Symptom.UPGRADE_SWALLOWED: Remedy(
        "Something on the way swallows the upgrade, or the server has too much to do to answer",
        "Use TLS (wss://), which most middleboxes cannot look into; try another network; look at the server's load",
    ),
    Symptom.UPGRADE_CUT: Remedy(
        "A firewall or a load balancer cuts connections that ask for an upgrade",
        "Use TLS (wss://), which most middleboxes cannot look into; allow WebSockets on the load balancer",
    ),
    Symptom.UPGRADE_SPOILED: Remedy(
        "A proxy on the way changes the answer to the upgrade", "Use TLS (wss://), or have the proxy corrected"
    ),
    Symptom.NO_COMMON_PROTOCOL: Remedy(
        "This is a WebSocket, but not one of Action Cable or AnyCable", "Check the path: usually it is /cable"
    ),
    Symptom.NOT_FOUND: Remedy(
        "There is no WebSocket at this path", "Check the path: Action Cable and AnyCable listen at /cable as a rule"
    ),
    Symptom.ORIGIN_OR_UPGRADE: Remedy(
        "Rails refuses the Origin so, and also a request that has lost its Upgrade header on the way",
        "Give --origin with the address of the web site, or allow ours (config.action_cable.allowed_request_origins); "
        "behind a proxy, have it pass Upgrade and Connection on",
    ),
    Symptom.NOT_OFFERED: Remedy(
        "The server does not offer it, or the path is another one",
        "None is needed where WebSocket works. Else: AnyCable has event streams with --sse, AnyCable Pro long polling "
        "with --poll; Rails has neither",
    ),
    Symptom.NOT_AUTHENTICATED: Remedy(
        "The server wants credentials, or other ones",
        "Check the token and how it travels: --token-env, --token-as, --cookie-env",
    ),
    Symptom.FORBIDDEN: Remedy(
        "The credentials are refused, or the Origin is not allowed (AnyCable's --allowed_origins)",
        "Check the token; give --origin with the address of the web site",
    ),
    Symptom.TOO_MANY: Remedy("There were too many requests or connections", "Wait, and ask for a higher limit"),
    Symptom.SERVER_FAILED: Remedy("The server fails", "Look into the server's log"),
    Symptom.NO_BACKEND: Remedy(
        "A proxy or load balancer answers, and does not reach the server behind it",
        "Start that server; check where the proxy leads to",
    ),
    Symptom.UNAVAILABLE: Remedy("The server is overloaded or being restarted", "Wait a moment, and try again"),
    Symptom.OTHER_STATUS: Remedy(
        "The server, or something before it, does not take the request", "Check path and headers; ask its log"
    ),
    Symptom.REQUEST_SILENT: Remedy(
        "Something on the way holds the answer back, or the server has too much to do to answer",
        "Turn off buffering in the proxy (nginx: proxy_buffering off); look at the server's load",
    ),
    # The session
    Symptom.REJECTED: Remedy(
        "The server let us in and then refused us: no token, or not the right one",
        "Give a token that it accepts (--token-env, --token-as); cableway token inspect shows what is in one",
    ),
    Symptom.SENT_AWAY: Remedy("The server ended the session, for a reason of its own", "Look into its log"),
    Symptom.TOKEN_WITHOUT_NAME: Remedy(
        "AnyCable closes so where it does not know whom a token is for, or where its back end fails",
        "See whether the token has the claim ext: cableway token inspect; look into the server's log",
    ),
    Symptom.LINE_LOST: Remedy(
        "A proxy or firewall lets the line open and then cuts it, or the server does",
        "Have the proxy keep quiet connections for a minute (nginx: proxy_read_timeout); look into the server's log",
    ),
    Symptom.NO_WELCOME: Remedy(
        "The line is open, but no Action Cable server speaks on it, or it waits for its own back end",
        "Check the path; look into the log of the server and of its back end (AnyCable: the RPC server)",
    ),
    Symptom.STREAM_HELD_BACK: Remedy(
        "A proxy on the way gathers the stream instead of passing it on",
        "Turn off buffering in the proxy (nginx: proxy_buffering off)",
    ),
    Symptom.NO_BEAT: Remedy(
        "The server beats more seldom than was waited for, or something on the way holds small messages back",
        "Give a longer --timeout to be sure; without beats a cable takes a silent line for dead",
    ),
    Symptom.SESSION_GONE: Remedy(
        "The poll reached another server than the one that opened the session",
        "Make the load balancer sticky, by cookie or by address: a polled session lives on one server",
    ),
    Symptom.POLL_LOST: Remedy(
        "Something on the way cuts requests that are held, or the session's server went away",
        "Have the proxy wait longer than the server holds a poll (AnyCable's --poll_interval, 15 s)",
    ),
    Symptom.NOT_HELD: Remedy(
        "The server, or something on the way, answers polls at once",
        "Set the server's --poll_interval; until then it costs many requests, and nothing is lost",
    ),
    Symptom.OTHER: Remedy("Not known", "The text says what the system has told"),
}
