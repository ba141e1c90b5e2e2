//! What one store tells another, so that both hold the same of an integration: facts, names, coverage.
//!
//! A sender makes [`Part`]s of what its store holds ([`Runtime::outgoing`]); whoever receives them applies each in one
//! transaction ([`Runtime::take_part`]), which also notes how far it is. The receiver alone knows that: the sender asks for it
//! ([`Runtime::position`]) when it begins and after every doubt, and goes on from there. A part that comes again is told by
//! where it leads to; one that does not follow on changes nothing.
//!
//! First everything is stated once, in an order that both sides know, so that the receiver sees what is there no more; then the
//! change feed is followed. For each day of a queue or agent that changed, all of its facts are stated. What is covered comes
//! behind the facts that it speaks of. Mappings, policies, quarantine and the import log are the sender's own and stay with it.
//!
//! Stores are told apart by an identity that each makes for itself. A position that belongs to another store, or to this one
//! before it was restored from a backup, is refused; to begin anew is a choice of the sender's operator.

mod apply;
mod compare;
mod events;
mod outgoing;
mod place;
mod walk;
mod wire;

pub use self::apply::Taken;
pub use self::events::{
    ContactEvent, EventRequest, EventRows, HeldBack, HeldItem, OutgoingEvents, RefusedRow, StatusEvent,
};
pub(crate) use self::outgoing::note_joined;
pub use self::outgoing::{Outgoing, Part};
use self::place::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::query::meant;
use crate::runtime::{IntegrationRef, Runtime};
use crate::store::{SubjectKind, Transaction};

/// What stands for the position of an integration that holds data which no part brought.
const OTHER: &str = "other";

/// A position as both sides name it.
fn token(sender: &str, place: &str) -> String {
    format!("{sender} {place}")
}

fn position_name(integration: u32) -> String {
    format!("position of the sender to {integration}")
}

/// What the sender to an integration has told it.
async fn position(transaction: &mut dyn Transaction, integration: u32) -> Result<String> {
    if let Some(held) = transaction.memo(&position_name(integration)).await? {
        return Ok(String::from_utf8_lossy(&held).into_owned());
    }
    for kind in [SubjectKind::Queue, SubjectKind::Agent] {
        if !transaction.subjects(integration, kind).await?.is_empty() {
            return Ok(OTHER.to_owned());
        }
    }
    Ok(String::new())
}

/// Whether an integration is filled by parts: then it takes nothing else.
pub(crate) async fn is_filled_by_parts(transaction: &mut dyn Transaction, integration: u32) -> Result<bool> {
    Ok(transaction.memo(&position_name(integration)).await?.is_some())
}

impl Runtime {
    /// What is to be told of an integration to a receiver that is at `position`: what [`position`](Self::position) says there.
    /// With `anew`, a position that is not one of this store is overruled: everything is stated again, and what the receiver holds
    /// besides is gone.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; `ConfigInvalid` for a position that is not one of this store; whatever the store
    /// reports.
    pub async fn outgoing(
        &self,
        integration: impl Into<IntegrationRef> + Send,
        position: &str,
        anew: bool,
    ) -> Result<Outgoing> {
        let wanted = integration.into();
        let mut transaction = self.store().write().await?;
        let integration = meant(&mut *transaction, &wanted).await?.id;
        let identity = outgoing::identity(&mut *transaction).await?;
        let place = place_of(&mut *transaction, position, &identity).await;
        let place = match place {
            Err(error) if error.kind() == ErrorKind::ConfigInvalid && anew => None,
            place => place?,
        };
        transaction.commit().await?;
        Ok(Outgoing::new(self, integration, identity, position.to_owned(), place))
    }
}

impl Runtime {
    /// What is to be told of an integration to a system that takes single contacts and statuses only. `target` names that system;
    /// what was sent is remembered for one at a time. With `anew`, what was sent to another one is forgotten, and everything is
    /// told again.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; `ConfigInvalid` when what was sent before was sent to another target; whatever the
    /// store reports.
    pub async fn outgoing_events(
        &self,
        integration: impl Into<IntegrationRef> + Send,
        target: &str,
        anew: bool,
    ) -> Result<OutgoingEvents> {
        let wanted = integration.into();
        let mut transaction = self.store().write().await?;
        let integration = meant(&mut *transaction, &wanted).await?.id;
        transaction.lock_integration(integration).await?;
        if events::is_elsewhere(&mut *transaction, integration, target).await? {
            if !anew {
                return Err(events::elsewhere());
            }
            events::forget(&mut *transaction, integration).await?;
            transaction.commit().await?;
        }
        Ok(OutgoingEvents::new(self, integration, target.to_owned()))
    }

    /// What could not be told of an integration to a system that takes single contacts and statuses only, with so many items.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown integration; whatever the store reports.
    pub async fn held_back(&self, integration: impl Into<IntegrationRef> + Send, items: u32) -> Result<HeldBack> {
        let wanted = integration.into();
        let mut transaction = self.store().read().await?;
        let integration = meant(&mut *transaction, &wanted).await?.id;
        events::held_back(&mut *transaction, integration, items).await
    }
}

/// Where to go on; nowhere for a receiver that holds nothing.
async fn place_of(transaction: &mut dyn Transaction, position: &str, identity: &str) -> Result<Option<Place>> {
    let refused = |message: &str| {
        let message = format!("{message}: look after it, or let the sender begin anew");
        Err(Error::new(ErrorKind::ConfigInvalid, message))
    };
    if position.is_empty() {
        return Ok(None);
    }
    let Some((sender, place)) = position.split_once(' ') else {
        return refused("the receiver's integration holds data that no sender of parts brought");
    };
    if sender != identity {
        return refused("another store sends to the receiver's integration");
    }
    let Some(place) = Place::read(place) else {
        return refused("the receiver is at a position that this version does not know");
    };
    if !place.is_in(transaction).await? {
        return refused("the receiver has got more than this store knows of: it was restored from a backup");
    }
    Ok(Some(place))
}
