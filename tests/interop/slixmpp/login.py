"""slixmpp logs in over direct TLS, by SCRAM and PLAIN, and trusts only the hub's own authority."""

from client import Client
from site_under_test import run


async def outcome(client):
    client.connect(client.site.host, client.site.port)
    event = await client.events.take(
        lambda event: event in ("session_start", "failed_auth", "no_auth", "connection_failed", "ssl_invalid_chain"),
        "outcome",
    )
    client.abort()
    client.cancel_connection_attempt()
    return event


async def script(site, report):
    user = site.sign_up("alice")
    for mechanism in ("SCRAM-SHA-256", "PLAIN"):
        for secret in ("password", "token"):
            async with report.check(f"{mechanism} takes the {secret}"):
                client = await Client(site, user, user[secret], mechanism).log_in()
                assert client.boundjid.bare == site.jid(user), client.boundjid
                assert len(client.boundjid.resource) >= 16, client.boundjid
                await client.log_out()
        async with report.check(f"{mechanism} refuses a wrong password"):
            assert await outcome(Client(site, user, "wrong", mechanism)) == "failed_auth"
    async with report.check("left to choose, it takes SCRAM-SHA-256"):
        client = await Client(site, user).log_in()
        assert client.plugin["feature_mechanisms"].mech.name == "SCRAM-SHA-256"
        await client.log_out()
    async with report.check("without the hub's authority the certificate is refused"):
        event = await outcome(Client(site, user, ca=False))
        assert event in ("connection_failed", "ssl_invalid_chain"), event


run(script)
