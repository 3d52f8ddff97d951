//! What every supervised actor has: a life the supervisor can see the end of, and answers to its
//! heartbeat.

use actix::prelude::*;
use tokio::sync::mpsc;

/// Asks an actor whether it still handles messages.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Heartbeat;

/// Test aid: the actor panics, as a bug would make it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Crash;

/// Asks the actor to end, freeing what it holds.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

/// An actor that can be put under supervision.
pub trait Supervised:
    Actor<Context = Context<Self>> + Handler<Heartbeat> + Handler<Crash> + Handler<Stop>
{
}

/// Gives an actor its answers to the supervisor.
///
/// `drain = method` names a method `fn(&mut self) -> LocalBoxFuture<'static, ()>` that begins a
/// tidy end; the actor stops once its future is done.
macro_rules! supervised {
    ($actor:ty) => {
        impl $actor {
            fn nothing_to_drain(&mut self) -> futures::future::LocalBoxFuture<'static, ()> {
                Box::pin(std::future::ready(()))
            }
        }
        $crate::engine::supervised::supervised!($actor, drain = nothing_to_drain);
    };
    ($actor:ty, drain = $drain:ident) => {
        impl $crate::engine::supervised::Supervised for $actor {}
        impl actix::Handler<$crate::engine::supervised::Heartbeat> for $actor {
            type Result = ();
            fn handle(&mut self, _: $crate::engine::supervised::Heartbeat, _: &mut Self::Context) {}
        }
        impl actix::Handler<$crate::engine::supervised::Crash> for $actor {
            type Result = ();
            fn handle(&mut self, _: $crate::engine::supervised::Crash, _: &mut Self::Context) {
                panic!("crashed by a test command");
            }
        }
        impl actix::Handler<$crate::engine::supervised::Stop> for $actor {
            type Result = actix::ResponseActFuture<Self, ()>;
            fn handle(
                &mut self,
                _: $crate::engine::supervised::Stop,
                _: &mut Self::Context,
            ) -> Self::Result {
                let drained = self.$drain();
                Box::pin(actix::ActorFutureExt::map(
                    actix::WrapFuture::into_actor(drained, self),
                    |(), _, ctx: &mut Self::Context| actix::ActorContext::stop(ctx),
                ))
            }
        }
    };
}
pub(crate) use supervised;

/// One incarnation's end, as the supervisor hears of it.
#[derive(Debug)]
pub(super) struct Death {
    pub child: usize,
    pub generation: u64,
    pub panicked: bool,
}

/// The drop guard an actor carries: when the actor goes, however it goes, the supervisor knows.
#[derive(Debug)]
pub struct Life {
    pub(super) child: usize,
    pub(super) generation: u64,
    pub(super) deaths: mpsc::UnboundedSender<Death>,
}

impl Drop for Life {
    fn drop(&mut self) {
        // Nobody listens once the supervisor itself is gone, which is the end of the process.
        let _ = self.deaths.send(Death {
            child: self.child,
            generation: self.generation,
            panicked: std::thread::panicking(),
        });
    }
}
