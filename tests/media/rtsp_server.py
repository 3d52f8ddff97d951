"""GStreamer's own RTSP server, as a camera of the network.

Usage: rtsp_server.py PORT LAUNCH [USER PASSWORD [PEM]]. With a PEM file of certificate and key it speaks
TLS. Says the port it got, and ends with its input.
"""

import os
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def main(port, launch, login, pem):
    Gst.init(None)
    threading.Thread(target=end_with_input, daemon=True).start()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(True)
    if login:
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(*login, token)
        if pem:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(pem[0]))
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        for what in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("user", what, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit("the port is taken")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main(sys.argv[1], sys.argv[2], sys.argv[3:5], sys.argv[5:])
