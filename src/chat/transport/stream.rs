//! The XML stream of RFC 6120 on a byte stream, with tokio-xmpp's parser and plain elements as
//! payload: its typed stanzas would drop what they do not know.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, Stream};
use minidom::Element;
use tokio::io::BufReader;
use tokio_xmpp::xmlstream::{ReadError, StreamHeader, Timeouts, XmlStream, initiate_stream};

use super::{AnyIo, Inbound, Meter, Metered, TransportError, WriteError};
use crate::protocol::ns;

/// The library's own timeouts are a backstop only: `liveness` decides when a peer is dead.
const NEVER: Timeouts = Timeouts {
    read_timeout: Duration::from_secs(3600),
    response_timeout: Duration::from_secs(3600),
};

pub(in crate::chat) struct StreamTransport {
    stream: XmlStream<BufReader<Metered>, Element>,
    meter: Meter,
    to: String,
}

impl StreamTransport {
    /// Exchanges stream headers; the features come as the first element.
    pub(in crate::chat) async fn open(io: AnyIo, to: &str) -> Result<Self, TransportError> {
        let (io, meter) = Metered::new(io);
        let pending = initiate_stream(BufReader::new(io), ns::CLIENT, header(to), NEVER)
            .await
            .map_err(sort)?;
        Ok(Self {
            // The typed features of the library refuse what they do not know.
            stream: pending.skip_features(),
            meter,
            to: to.to_owned(),
        })
    }

    pub(super) async fn restart(self) -> Result<Self, TransportError> {
        let pending = self
            .stream
            .initiate_reset()
            .send_header(header(&self.to))
            .await
            .map_err(sort)?;
        Ok(Self {
            stream: pending.skip_features(),
            meter: self.meter,
            to: self.to,
        })
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Inbound, TransportError>> {
        loop {
            let item = ready!(Pin::new(&mut self.stream).poll_next(cx));
            let inbound = match item {
                Some(Ok(element)) => Ok(Inbound::Element(element)),
                Some(Err(ReadError::ParseError(error))) => {
                    Ok(Inbound::Malformed(error.to_string()))
                }
                Some(Err(ReadError::StreamFooterReceived)) | None => Ok(Inbound::Closed),
                Some(Err(ReadError::SoftTimeout)) => continue,
                Some(Err(ReadError::HardError(error))) => Err(sort(error)),
            };
            self.meter.element_complete();
            return Poll::Ready(inbound);
        }
    }

    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Sink::<&Element>::poll_ready(Pin::new(&mut self.stream), cx).map_err(sort)
    }

    pub(super) fn write(&mut self, element: &Element) -> Result<(), WriteError> {
        // Tried elsewhere first: on failure the library takes back the bytes of the element but
        // not the state of its encoder, which would spoil everything after it.
        element
            .write_to(&mut io::sink())
            .map_err(|error| WriteError::Unsendable(error.to_string()))?;
        Pin::new(&mut self.stream)
            .start_send(element)
            .map_err(|error| WriteError::Transport(sort(error)))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Sink::<&Element>::poll_flush(Pin::new(&mut self.stream), cx).map_err(sort)
    }

    /// Sends the stream footer.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map_err(sort)
    }
}

fn header(to: &str) -> StreamHeader<'_> {
    StreamHeader {
        to: Some(Cow::Borrowed(to)),
        from: None,
        id: None,
    }
}

/// The library reports bytes that are no XML as I/O errors of the kind `InvalidData`.
fn sort(error: io::Error) -> TransportError {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::InvalidData if !text.starts_with("eof") => TransportError::NotXml(text),
        _ => TransportError::Broken(text),
    }
}
