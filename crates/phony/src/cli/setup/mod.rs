//! `phony setup`: points a number of the Twilio account at this server.

mod undo;

use anyhow::{Context as _, bail};
use clap::Args;
use phony_call::{Country, PhoneNumber};
use phony_wire::twilio::rest::{
    AvailablePhoneNumber, ConfigureNumber, IncomingPhoneNumber, ListNumbers, SearchNumbers,
};

use super::converse::InputLines;
use super::questions::Questions;
use super::ui::{Style, Ui, clean, has_terminal};
use super::{Settings, Usage, block_on};
use crate::carriers::twilio::rest::{CarrierError, NumberKind, RestClient};
use crate::carriers::twilio::wiring::{self, Difference, Wiring, points_to};
use crate::config::Config;

/// How many numbers are offered for sale at once.
const OFFERED: usize = 5;

/// Point a number of the Twilio account at this server.
///
/// Lists the account's numbers and where each of them points. Sets the voice URL, its fallback and
/// the status callback of the chosen number, and clears an application or a SIP trunk that would
/// override them. Prints what has changed and how to undo it. Without a terminal, --yes is
/// required.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The number, in E.164 form [default: `TWILIO_PHONE_NUMBER`, else the account's only number]
    #[arg(long, value_name = "NUMBER", conflicts_with = "buy", value_parser = number)]
    number: Option<PhoneNumber>,
    /// Buy a number, which costs money each month
    #[arg(long)]
    buy: bool,
    /// Country of the number to buy, as two letters [default: that of `TWILIO_PHONE_NUMBER`, else
    /// US]
    #[arg(long, value_name = "CC", value_parser = country)]
    country: Option<String>,
    /// Area code of the number to buy, in the United States and Canada
    #[arg(long, value_name = "CODE", value_parser = area_code)]
    area_code: Option<String>,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
    /// Show what would be done, without doing it
    #[arg(long)]
    dry_run: bool,
}

/// The number to set up.
enum Chosen {
    Own(IncomingPhoneNumber),
    ToBuy(AvailablePhoneNumber),
    /// The user left.
    Nothing,
}

/// The answer to the list of numbers.
enum Pick {
    Place(usize),
    Buy,
    Leave,
}

struct Setup {
    ui: Ui,
    config: Config,
    client: RestClient,
    wiring: Wiring,
    arguments: Arguments,
    /// The user's answers, if somebody can be asked.
    typed: Option<InputLines>,
}

pub(super) fn run(settings: Settings, arguments: Arguments) -> anyhow::Result<()> {
    let attended = has_terminal() && !arguments.yes;
    if !attended && !arguments.yes && !arguments.dry_run {
        let text = "there is no terminal to ask at: --yes does it without asking, --dry-run only \
                    shows it";
        return Err(Usage(text.to_owned()).into());
    }
    let config = settings.load()?;
    let Some(host) = config.host.clone() else {
        let text = "the public name of this server is not known, so nothing can point to it: set \
                    HOST, or give --host phony.example.com";
        return Err(Usage(text.to_owned()).into());
    };
    let client = RestClient::new(&config.twilio)?;
    block_on(async move {
        let typed = if attended { Some(InputLines::start(true)?) } else { None };
        let wiring = Wiring::to(&host);
        let ui = Ui::new();
        let mut setup = Setup { ui, config, client, wiring, arguments, typed };
        tokio::select! {
            done = Box::pin(setup.run()) => done,
            () = super::until_stopped() => bail!("stopped; see above for what was done"),
        }
    })
}

impl Setup {
    async fn run(&mut self) -> anyhow::Result<()> {
        let all = ListNumbers::default();
        let (account, numbers) = tokio::join!(self.client.account(), self.client.numbers(&all));
        let (account, _) = account.map_err(with_advice)?;
        let numbers = numbers.map_err(with_advice)?;
        let name = self.ui.paint(Style::Strong, &clean(&account.friendly_name));
        let kind = if account.kind == "Trial" { ", on trial" } else { "" };
        self.ui.print_line(&format!("Twilio account {name} ({}{kind})", clean(&account.status)));
        self.show(&numbers);
        match self.choose(numbers).await? {
            Chosen::Own(number) => self.wire(&number).await,
            Chosen::ToBuy(offer) => self.buy(&offer).await,
            Chosen::Nothing => {
                self.ui.print_line("Nothing was changed.");
                Ok(())
            }
        }
    }

    fn show(&self, numbers: &[IncomingPhoneNumber]) {
        if numbers.is_empty() {
            self.ui.print_line("It has no number.");
        }
        for (place, number) in (1..).zip(numbers) {
            let breaks = self.wiring.differences(number).iter().any(|found| found.breaks);
            let target = clean(&points_to(number));
            let target = if breaks { target } else { format!("{target} (this server)") };
            self.ui.print_line(&format!(
                "  {place}  {:<16} {:<20} → {}",
                number.phone_number,
                clean(&number.friendly_name),
                self.ui.paint(Style::Faint, &target)
            ));
        }
    }

    async fn choose(&mut self, mut numbers: Vec<IncomingPhoneNumber>) -> anyhow::Result<Chosen> {
        if self.arguments.buy {
            return self.offer().await;
        }
        let named = self.arguments.number.as_ref().or(self.config.twilio.phone_number.as_ref());
        let place = named.and_then(|named| {
            numbers.iter().position(|number| number.phone_number == named.as_str())
        });
        if let (Some(wanted), None) = (&self.arguments.number, place) {
            bail!("{wanted} is not a number of this account; --buy buys one");
        }
        let place = place.or_else(|| (numbers.len() == 1).then_some(0));
        if let (Some(place), true) = (place, self.arguments.number.is_some()) {
            return Ok(Chosen::Own(numbers.swap_remove(place)));
        }
        let Some(typed) = &mut self.typed else {
            return match place {
                Some(place) => Ok(Chosen::Own(numbers.swap_remove(place))),
                None if numbers.is_empty() => Err(Usage(
                    "there is no number to point here: --buy buys one (with --country and \
                     --area-code), which costs money each month"
                        .to_owned(),
                )
                .into()),
                None if self.arguments.dry_run => Ok(Chosen::Nothing),
                None => Err(Usage("say which number with --number".to_owned()).into()),
            };
        };
        let usual = place.map_or_else(|| "b".to_owned(), |place| (place + 1).to_string());
        let question =
            format!("Which one? A number of the list, b to buy one, q to leave [{usual}] ");
        let read = |line: &str| match if line.is_empty() { usual.as_str() } else { line } {
            "q" => Ok(Pick::Leave),
            "b" => Ok(Pick::Buy),
            line => match place_in(line, numbers.len()) {
                Some(place) => Ok(Pick::Place(place)),
                None if numbers.is_empty() => Err("Type b or q.".to_owned()),
                None => Err(format!("Type 1 to {}, b or q.", numbers.len())),
            },
        };
        match (Questions { ui: self.ui, typed }).ask(&question, read).await {
            Some(Pick::Place(place)) => Ok(Chosen::Own(numbers.swap_remove(place))),
            Some(Pick::Buy) => self.offer().await,
            Some(Pick::Leave) | None => Ok(Chosen::Nothing),
        }
    }

    /// Looks for a number to buy.
    async fn offer(&mut self) -> anyhow::Result<Chosen> {
        let own = self.config.twilio.phone_number.as_ref().and_then(Country::of);
        let own = own.map(|country| format!("{country:?}"));
        let country = self.arguments.country.clone().or(own).unwrap_or_else(|| "US".to_owned());
        let search = SearchNumbers {
            area_code: self.arguments.area_code.clone(),
            voice_enabled: Some(true),
            exclude_all_address_required: Some(true),
            page_size: u64::try_from(OFFERED).ok(),
            ..SearchNumbers::default()
        };
        let mut found = Vec::new();
        for kind in [NumberKind::Local, NumberKind::Mobile] {
            match self.client.available_numbers(&country, kind, &search).await {
                Ok(numbers) => found = numbers,
                // Not every country has numbers of every kind.
                Err(CarrierError::Refused(error)) if error.is_not_found() => {}
                Err(failure) => return Err(with_advice(failure)),
            }
            if !found.is_empty() {
                break;
            }
        }
        found.truncate(OFFERED);
        if found.is_empty() {
            bail!(
                "Twilio has no number for sale in {country} that fits and needs no address; try \
                 another --country or --area-code, or buy one in its console"
            );
        }
        let Some(typed) = &mut self.typed else { return Ok(Chosen::ToBuy(found.swap_remove(0))) };
        self.ui.print_line(&format!("For sale in {country}:"));
        for (place, number) in (1..).zip(&found) {
            let town = clean(&format!("{} {}", number.locality, number.region));
            self.ui.print_line(&format!("  {place}  {:<16} {town}", number.phone_number));
        }
        let read = |line: &str| match if line.is_empty() { "1" } else { line } {
            "q" => Ok(None),
            line => match place_in(line, found.len()) {
                Some(place) => Ok(Some(place)),
                None => Err(format!("Type 1 to {}, or q.", found.len())),
            },
        };
        let mut questions = Questions { ui: self.ui, typed };
        match questions.ask("Which one? q to leave [1] ", read).await.flatten() {
            Some(place) => Ok(Chosen::ToBuy(found.swap_remove(place))),
            None => Ok(Chosen::Nothing),
        }
    }

    /// Points a number of the account at this server.
    async fn wire(&mut self, number: &IncomingPhoneNumber) -> anyhow::Result<()> {
        let ui = self.ui;
        let differences = self.wiring.differences(number);
        if differences.is_empty() {
            ui.print_line(&format!(
                "{} rings here already; nothing was changed.",
                number.phone_number
            ));
            self.print_next_steps(&number.phone_number);
            return Ok(());
        }
        ui.print_line(&format!("{} would change:", number.phone_number));
        self.show_changes(&differences);
        if self.arguments.dry_run {
            ui.print_line("Nothing was changed (--dry-run).");
            return Ok(());
        }
        if !self.agreed("Change it?").await {
            ui.print_line("Nothing was changed.");
            return Ok(());
        }
        let change = wiring::change(&differences);
        let changed =
            self.client.configure_number(&number.sid, &change).await.map_err(with_advice)?;
        self.check_applied(&changed)?;
        ui.print_line(
            &ui.paint(Style::Strong, &format!("{} rings here now.", number.phone_number)),
        );
        let base = self.config.twilio.api_base_url.as_str();
        ui.print_line("To undo it:");
        ui.print_line(&undo::of_change(base, number, &differences));
        self.print_next_steps(&number.phone_number);
        Ok(())
    }

    /// Buys a number that points at this server from the start.
    async fn buy(&mut self, offer: &AvailablePhoneNumber) -> anyhow::Result<()> {
        let ui = self.ui;
        let number = &offer.phone_number;
        let new = IncomingPhoneNumber::default();
        let differences = self.wiring.differences(&new);
        ui.print_line(&format!(
            "{number} would be bought, which costs money each month, and set up:"
        ));
        self.show_changes(&differences);
        if self.arguments.dry_run {
            ui.print_line("Nothing was bought (--dry-run).");
            return Ok(());
        }
        if !self.agreed(&format!("Buy {number}? It costs money each month.")).await {
            ui.print_line("Nothing was bought.");
            return Ok(());
        }
        let purchase =
            ConfigureNumber { phone_number: Some(number.clone()), ..wiring::change(&differences) };
        let bought = match self.client.buy_number(&purchase).await {
            Ok(bought) => bought,
            Err(CarrierError::Unknown(reason)) => {
                self.look_for(number).await.with_context(|| {
                    format!(
                        "whether {number} was bought is not known ({reason}); look in the console"
                    )
                })?
            }
            Err(failure) => return Err(with_advice(failure)),
        };
        self.check_applied(&bought)?;
        ui.print_line(&ui.paint(Style::Strong, &format!("{number} was bought and rings here.")));
        ui.print_line("To undo it (the number is given back, and may be gone for good):");
        let base = self.config.twilio.api_base_url.as_str();
        ui.print_line(&undo::of_purchase(base, &bought));
        self.print_next_steps(number);
        Ok(())
    }

    /// The number, if the account has it by now.
    async fn look_for(&self, number: &str) -> anyhow::Result<IncomingPhoneNumber> {
        let filter =
            ListNumbers { phone_number: Some(number.to_owned()), ..ListNumbers::default() };
        let found = self.client.numbers(&filter).await.map_err(with_advice)?;
        found.into_iter().next().context("the account does not have it")
    }

    /// Fails if the number, as Twilio returned it, still does not point at this server.
    fn check_applied(&self, number: &IncomingPhoneNumber) -> anyhow::Result<()> {
        let left = self.wiring.differences(number);
        let Some(first) = left.iter().find(|difference| difference.breaks) else { return Ok(()) };
        bail!("Twilio took the change, but {} is still «{}»", first.field, clean(&first.is))
    }

    fn show_changes(&self, differences: &[Difference]) {
        for Difference { field, is, must_be, .. } in differences {
            let named = |value: &str| match value {
                "" => "nothing".to_owned(),
                value => clean(value),
            };
            let was = self.ui.paint(Style::Faint, &format!("(was {})", named(is)));
            self.ui.print_line(&format!("  {field:<22} {} {was}", named(must_be)));
        }
    }

    /// Asks for consent; without a terminal, --yes gives it.
    async fn agreed(&mut self, question: &str) -> bool {
        let Some(typed) = &mut self.typed else { return self.arguments.yes };
        Questions { ui: self.ui, typed }.agreed(question).await
    }

    fn print_next_steps(&self, number: &str) {
        let known = self.config.twilio.phone_number.as_ref();
        if known.is_none_or(|known| known.as_str() != number) {
            self.ui.print_line(&format!("Set TWILIO_PHONE_NUMBER={number} for calls out."));
        }
        self.ui
            .print_line("`phony doctor` says whether calls will work; `phony serve` takes them.");
    }
}

/// An error of Twilio's, with advice.
fn with_advice(failure: CarrierError) -> anyhow::Error {
    match failure.advice() {
        Some(advice) => anyhow::anyhow!("{failure}\n  {advice}"),
        None => failure.into(),
    }
}

/// The index of the place that was typed, if it is in the list.
fn place_in(line: &str, count: usize) -> Option<usize> {
    let place = line.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
    place.filter(|place| *place < count)
}

fn number(text: &str) -> Result<PhoneNumber, String> {
    PhoneNumber::parse(text)
        .map_err(|_| "write it with + and country code, such as +14155550123".to_owned())
}

fn country(text: &str) -> Result<String, String> {
    let code = text.to_ascii_uppercase();
    let known = Country::parse(&code).is_some();
    if known { Ok(code) } else { Err("give a country's two letters, such as US".to_owned()) }
}

fn area_code(text: &str) -> Result<String, String> {
    let fits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("an area code has three digits".to_owned()) }
}
