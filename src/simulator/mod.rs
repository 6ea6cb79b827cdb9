//! A stand-in for GitHub over real HTTP: the agent tasks API, the paths around it that a review
//! needs, and a back door under `/_control/` for tests and demonstrations.
//!
//! It is written from the published contract and shares no code with the client that talks to it,
//! so that the two check each other. `docs/simulator.md` has the scenario file, the control
//! interface and what is known of its fidelity.
//!
//! - `scenario` is what is played, `world` is what happened so far, `http` takes requests in,
//!   `api` answers them, `control` is the back door.
//! - Nothing runs in the background: each request first plays what is due by the clock.
//!
//! ```
//! use sluicegate::simulator::{Scenario, SimClock, Simulator};
//!
//! # fn main() -> Result<(), sluicegate::simulator::SimulatorError> {
//! let simulator = Simulator::new(Scenario::friendly()?, SimClock::manual(1_767_225_600_000));
//! let _router = simulator.router();
//! # Ok(())
//! # }
//! ```

mod api;
mod clock;
mod connection;
mod control;
mod draw;
mod error;
mod http;
mod scenario;
mod serve;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::clock::SimClock;
pub use self::error::SimulatorError;
pub use self::scenario::Scenario;
pub use self::serve::{Options, serve};

use self::world::World;

/// A running stand-in for GitHub; clones share one world.
#[derive(Debug, Clone)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
    clock: SimClock,
}

impl Simulator {
    /// A simulator in which nothing has happened yet.
    pub fn new(scenario: Scenario, clock: SimClock) -> Simulator {
        Simulator { world: Arc::new(Mutex::new(World::new(scenario))), clock }
    }

    /// The HTTP interface without a socket. A fault that drops the connection answers 599 here.
    pub fn router(&self) -> axum::Router {
        let simulator = self.clone();
        axum::Router::new().fallback(move |request| http::front::handle(simulator.clone(), request))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
