"""One slixmpp client on the hub's port for direct TLS, and everything that reached it."""

import asyncio
from pathlib import Path
from xml.etree import ElementTree

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

LIMIT = 8
CLIENT = "{jabber:client}"


class Inbox:
    """What came in; `take` waits for the first that matches and removes it."""

    def __init__(self, name):
        self.name, self.items, self._news = name, [], asyncio.Event()

    def put(self, item):
        self.items.append(item)
        self._news.set()

    async def take(self, match, what):
        async def found():
            while True:
                for index, item in enumerate(self.items):
                    if match(item):
                        return self.items.pop(index)
                self._news.clear()
                await self._news.wait()

        try:
            return await asyncio.wait_for(found(), LIMIT)
        except asyncio.TimeoutError:
            raise AssertionError(f"{self.name}: no {what} in {LIMIT} s; unclaimed: {self.items[-5:]}") from None


class Client(slixmpp.ClientXMPP):
    """`mechanism` is the only one it uses, else the best offered; without `ca` it knows no
    authority but the system's."""

    def __init__(self, site, user, password=None, mechanism=None, ca=True, management=False):
        super().__init__(
            site.jid(user),
            password or user["password"],
            plugin_config={"feature_mechanisms": {"use_mech": mechanism}},
        )
        self.site, self.user = site, user
        self.enable_direct_tls, self.enable_starttls, self.enable_plaintext = True, False, False
        if ca:
            self.ca_certs = Path(site.ready["ca"])
        for plugin in ("xep_0030", "xep_0045", "xep_0199", "xep_0280"):
            self.register_plugin(plugin)
        if management:
            self.register_plugin("xep_0198")
        self.messages, self.presences, self.events = Inbox("messages"), Inbox("presences"), Inbox("events")
        for event in (
            "session_start",
            "session_resumed",
            "failed_auth",
            "no_auth",
            "ssl_invalid_chain",
            "connection_failed",
            "disconnected",
            "sm_enabled",
        ):
            self.add_event_handler(event, lambda _, event=event: self.events.put(event))
        # Raw, because slixmpp's own message events leave out what has no body.
        for kind, inbox in (("message", self.messages), ("presence", self.presences)):
            handler = Callback(f"all {kind}s", MatchXPath(CLIENT + kind), lambda stanza, inbox=inbox: inbox.put(stanza))
            self.register_handler(handler)

    async def log_in(self):
        """Connects, binds and sends presence."""
        self.connect(self.site.host, self.site.port)
        event = await self.events.take(
            lambda event: event in ("session_start", "failed_auth", "no_auth", "connection_failed"), "session"
        )
        assert event == "session_start", event
        self.send_presence()
        await self.settled()
        return self

    async def settled(self):
        """A round trip: what was sent before has been dealt with."""
        await self.plugin["xep_0199"].send_ping(self.site.ready["chat"], timeout=LIMIT)

    def say(self, to, body, kind="chat", **params):
        """Sends a message with `params` as extraParams; gives its id."""
        message = self.make_message(mto=to, mbody=body, mtype=kind)
        extra = ElementTree.SubElement(message.xml, CLIENT + "extraParams")
        for name, value in {"save_to_history": "1", **params}.items():
            ElementTree.SubElement(extra, CLIENT + name).text = value
        message.send()
        return message["id"]

    async def hears(self, identifier):
        return await self.messages.take(lambda message: message["id"] == identifier, f"message {identifier}")

    async def flushed(self):
        """What was sent has left slixmpp's own queue for the line."""
        await self.waiting_queue.join()

    async def cut(self):
        """The line breaks without a word from either side."""
        self.transport.abort()
        await self.events.take(lambda event: event == "disconnected", "disconnection")

    async def resume(self):
        """Connects again; gives `session_resumed`, or `session_start` if there was nothing to resume."""
        self.connect(self.site.host, self.site.port)
        return await self.events.take(
            lambda event: event in ("session_resumed", "session_start"), "session"
        )

    async def log_out(self):
        await self.disconnect()


def extra(message, name):
    """The text of one of a message's extraParams."""
    return message.xml.findtext(f"{CLIENT}extraParams/{CLIENT}{name}")
