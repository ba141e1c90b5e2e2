//! Pages that move, that are missing and that are short: the conformance suite judges what a connector makes of them.
//!
//! Vonage alone has pages. Reports of Five9 have none: they are cut off, which `conformance` judges.

use injixo_connectors::vonage::{Region, Vonage, VonageConfig};
use injixo_core::Secret;
use injixo_core::model::Timestamp;
use injixo_core::testkit::{Fault, Suite};
use injixo_test_cloud::{Served, window};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{self, DAY, HOUR};
use vendor_standin::vonage::{Pages, Settings};
use vendor_standin::{Clock, VonageStandin};

#[test]
fn vonage() {
    let first = time::parse("2024-03-30T00:00:00Z").unwrap();
    let serve = |pages: Pages| {
        let simulation = Simulation {
            precision: Precision::Millis,
            is_mixed: true,
            contacts_a_day: 60,
            agents: 4,
            ..Simulation::new(7, first, 3)
        };
        Served::new(async move {
            let settings = Settings { pages, ..Settings::default() };
            let clock = Clock::simulated(first + 4 * DAY);
            VonageStandin::start(settings, simulation.ledger(), clock).await.unwrap()
        })
    };
    let make = |standin: &VonageStandin| {
        let settings = standin.settings();
        let secret = Secret::new(&settings.client_secret);
        let mut config = VonageConfig::new(&settings.client_id, secret, Region::Emea);
        config.api_url = Some(standin.url());
        config.token_url = Some(format!("{}/Auth/connect/token", standin.url()));
        config.page_size = 10;
        move || Vonage::new(config.clone()).unwrap()
    };
    let good = serve(Pages::Whole);
    let faulty = [
        (Fault::RepeatedPage, serve(Pages::Repeated)),
        (Fault::MissingPage, serve(Pages::Missing)),
        (Fault::ShortPage, serve(Pages::Short)),
    ];
    for is_contacts in [true, false] {
        let mut suite = if is_contacts { Suite::contacts(make(&good)) } else { Suite::statuses(make(&good)) };
        suite =
            suite.between(window(first + DAY, first + DAY + 12 * HOUR)).now(Timestamp::from_millis(first + 4 * DAY));
        for (fault, standin) in &faulty {
            suite = suite.with(*fault, make(standin));
        }
        suite.run();
    }
    // They were asked for more than one page.
    for (fault, standin) in &faulty {
        let asked = standin.world().log.asked();
        assert!(asked.iter().any(|asked| asked.query.contains("page=2")), "{fault:?}");
    }
}
