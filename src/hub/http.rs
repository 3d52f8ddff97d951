//! HTTP and HTTPS: actix-web answers requests; a WebSocket leaves it with its upgrade.
//!
//! actix-web's own server keeps its dispatcher, with two buffers of 8 KiB, behind every WebSocket.
//! Here its HTTP service is built with what that server leaves out: a service for upgrades, which
//! is handed the bare connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_codec::Framed;
use actix_http::h1::{Codec, SendResponse};
use actix_http::{ConnectionType, HttpService, Method, Request, Response};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, boxed, fn_factory, fn_service,
    map_config,
};
use actix_web::App;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::web::{self, Data};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;

use super::site::Site;
use super::xmpp::websocket::{self, WebSocket};
use super::{rest, web as pages, xmpp};

/// HTTP threads: REST work waits for the store, so few suffice.
const WORKERS: usize = 2;
/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;
/// How long the head of a request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may stay without a request.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long closing a connection may take, and how long the answer to an upgrade.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The listener a request came through: data of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

/// Listens on an address; what connects waits until [`serve`].
///
/// # Errors
/// The system's: taken, not ours, not allowed.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Serves HTTP on one listener and HTTPS on another, with WebSockets on both. A graceful stop waits
/// up to `stop_limit` for requests under way.
///
/// # Errors
/// The system's.
pub fn serve(
    site: &Arc<Site>,
    http: std::net::TcpListener,
    https: std::net::TcpListener,
    tls: rustls::ServerConfig,
    stop_limit: Duration,
) -> io::Result<Server> {
    let builder = ServerBuilder::new()
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(stop_limit.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    let plain = Door {
        address: http.local_addr()?,
        is_tls: false,
    };
    let secure = Door {
        address: https.local_addr()?,
        is_tls: true,
    };
    let site = Data::from(Arc::clone(site));
    let (other_site, other_stopping) = (site.clone(), stopping.clone());
    let server = builder
        .listen("http", http, move || service(&site, plain, &stopping).tcp())?
        .listen("https", https, move || {
            service(&other_site, secure, &other_stopping).rustls_0_23(tls.clone())
        })?;
    Ok(server.run())
}

type Pages = boxed::BoxServiceFactory<(), Request, Response<BoxBody>, Response<BoxBody>, ()>;
type Page = boxed::BoxService<Request, Response<BoxBody>, Response<BoxBody>>;
type Upgraded<T> = (Request, Framed<T, Codec>);
type Upgrades<T> = boxed::BoxServiceFactory<(), Upgraded<T>, (), actix_http::Error, ()>;
type Http<T> = HttpService<T, Pages, BoxBody, actix_http::h1::ExpectHandler, Upgrades<T>>;

fn service<T>(site: &Data<Site>, door: Door, stopping: &GracefulShutdownSignal) -> Http<T>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let stopping = stopping.clone();
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_LIMIT)
        .client_disconnect_timeout(CLOSE_LIMIT)
        .local_addr(door.address)
        // Lets small frames out at once.
        .tcp_nodelay(true)
        .on_connect_ext(move |_: &T, extensions| {
            extensions.insert(door);
        })
        .upgrade(upgrades(site.clone()))
        .finish(pages_of(site.clone()))
}

fn pages_of(site: Data<Site>) -> Pages {
    let app = App::new()
        .app_data(site)
        .route("/", web::get().to(pages::root))
        .route("/xmpp", web::get().to(pages::chat_without_upgrade))
        .route("/ca.pem", web::get().to(pages::ca))
        .route("/phone", web::get().to(pages::phone_without_slash))
        .route("/phone/config.json", web::get().to(pages::phone_config))
        .route("/phone/{path:.*}", web::get().to(pages::phone))
        .default_service(web::to(rest::serve));
    let app = app
        .into_factory()
        .map(|response: ServiceResponse<_>| Response::from(response).map_into_boxed_body())
        .map_err(|error: actix_web::Error| Response::from(error.error_response()));
    // Host and scheme are those of the connection's `Door`.
    boxed::factory(map_config(app, |()| AppConfig::default()))
}

fn upgrades<T>(site: Data<Site>) -> Upgrades<T>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let factory = pages_of(site.clone());
    let factory = fn_factory(move || {
        let (pages, site) = (factory.new_service(()), site.clone());
        async move {
            let pages = Rc::new(pages.await?);
            Ok::<_, ()>(fn_service(move |(request, connection): Upgraded<T>| {
                let (pages, site) = (Rc::clone(&pages), site.clone());
                async move {
                    upgrade(site, &pages, request, connection).await;
                    Ok::<_, actix_http::Error>(())
                }
            }))
        }
    });
    boxed::factory(factory)
}

/// Takes a connection over whose client asks for a WebSocket. Where there is none, or the asking is
/// wrong, the client gets an answer and the connection ends.
async fn upgrade<T>(site: Data<Site>, pages: &Page, request: Request, connection: Framed<T, Codec>)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let is_chat = request.method() == Method::GET && matches!(request.path(), "/" | "/xmpp");
    let address = request.peer_addr().map(|peer| peer.ip());
    let accepted = if is_chat {
        websocket::accept(request.head()).map_err(Response::from)
    } else {
        // RFC 9110 §7.8: an upgrade may be ignored.
        let page = pages.call(request).await;
        Err(page.unwrap_or_else(|error| error))
    };
    match accepted {
        Ok(response) => {
            let Some(connection) = answer(connection, response).await else {
                return;
            };
            let parts = connection.into_parts();
            let limit = site.config.limits.stanza_bytes;
            let stream = WebSocket::new(parts.io, parts.read_buf.freeze(), limit);
            // In a task of its own: this one's has room for a dispatcher.
            actix_web::rt::spawn(xmpp::serve(site.into_inner(), stream, address));
        }
        Err(mut response) => {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
            answer(connection, response.map_body(|_, body| Told(body))).await;
        }
    }
}

/// A page's body, with an error that [`SendResponse`] takes.
struct Told(BoxBody);

impl MessageBody for Told {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.0.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let failed = |error: Box<dyn std::error::Error>| io::Error::other(error.to_string());
        let next = Pin::new(&mut self.get_mut().0).poll_next(cx);
        next.map_err(|error| PayloadError::Io(failed(error)))
    }
}

async fn answer<T, B>(
    connection: Framed<T, Codec>,
    response: Response<B>,
) -> Option<Framed<T, Codec>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    B: MessageBody,
    B::Error: Into<actix_http::Error>,
{
    let sent = tokio::time::timeout(ANSWER_LIMIT, SendResponse::new(connection, response)).await;
    sent.ok()?.ok()
}
