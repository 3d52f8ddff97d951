//! The supervisor with real actors.

use actix::{Actor, Context, Handler, Message, System};

use super::*;
use crate::engine::mailbox::MAILBOX_CAPACITY;
use crate::engine::supervised::supervised;

struct Worker {
    _life: Life,
    handled: u32,
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }
}

supervised!(Worker);

#[derive(Message)]
#[rtype(result = "u32")]
struct Work;

impl Handler<Work> for Worker {
    type Result = u32;

    fn handle(&mut self, _: Work, _: &mut Self::Context) -> u32 {
        self.handled += 1;
        self.handled
    }
}

fn in_system<F: Future<Output = ()> + 'static>(test: F) {
    System::new().block_on(test);
}

async fn crash(requests: &mpsc::Sender<CrashRequest>, actor: &str) -> bool {
    let (done, answer) = tokio::sync::oneshot::channel();
    requests
        .send(CrashRequest {
            actor: actor.into(),
            done,
        })
        .await
        .unwrap();
    answer.await.unwrap()
}

#[test]
fn a_panicking_actor_comes_back_alone_and_the_state_tells() {
    in_system(async {
        let board = Board::new();
        let (slot, other) = (Slot::<Worker>::default(), Slot::<Worker>::default());
        let make = |life| Worker {
            _life: life,
            handled: 0,
        };
        let specs = vec![
            ChildSpec::new("worker", slot.clone(), make),
            ChildSpec::new("other", other.clone(), make),
        ];
        let (requests, crashes) = mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let mut state = board.watch();
        let running = actix::spawn(
            Supervisor::new(specs, board.clone(), crashes, watch::Sender::new(0))
                .run(shutdown.clone()),
        );
        state
            .wait_for(|state| state.health.get("other").is_some_and(|h| h.alive))
            .await
            .unwrap();
        assert_eq!(other.ask(Work, Duration::from_secs(1)).await, Ok(1));

        assert!(!crash(&requests, "nobody").await);
        assert!(crash(&requests, "worker").await);
        state
            .wait_for(|state| !state.health["worker"].alive)
            .await
            .unwrap();
        state
            .wait_for(|state| state.health["worker"].alive && state.health["worker"].restarts == 1)
            .await
            .unwrap();
        assert_eq!(
            board
                .read(|state| state.health["worker"].last_end.clone())
                .as_deref(),
            Some("panicked")
        );
        assert_eq!(
            slot.ask(Work, Duration::from_secs(1)).await,
            Ok(1),
            "a fresh actor"
        );
        assert_eq!(
            other.ask(Work, Duration::from_secs(1)).await,
            Ok(2),
            "the other lived on"
        );

        shutdown.cancel();
        running.await.unwrap();
        assert!(
            other.ask(Work, Duration::from_secs(1)).await.is_err(),
            "stopped at shutdown"
        );
    });
}

#[test]
fn the_pulse_beats_while_the_actors_answer() {
    in_system(async {
        let slot = Slot::<Worker>::default();
        let make = |life| Worker {
            _life: life,
            handled: 0,
        };
        let specs = vec![ChildSpec::new("worker", slot, make)];
        let (_requests, crashes) = mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let (beat, mut pulse) = watch::channel(0);
        let supervisor = Supervisor::new(specs, Board::new(), crashes, beat);
        let running = actix::spawn(supervisor.run(shutdown.clone()));
        pulse.changed().await.unwrap();
        shutdown.cancel();
        running.await.unwrap();
        assert!(pulse.changed().await.is_err(), "it beats after the end");
    });
}
