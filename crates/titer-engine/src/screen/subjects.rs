//! The rows that prompts are screened on, by request.

use std::collections::{BTreeMap, BTreeSet};

use titer_data::{
    cell::{Action, Cell},
    chat::{Message, Role, Row},
    probe::{Contrast, Side},
    prompt::{CandidatePrompt, Turn},
    request::Request,
    source::{Source, pairs},
    world::World,
};

/// A request with its bad reply, its good one, or both.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name of a row that asks it, the first bad one by cell and id where there is one: what tables call the request, the same for all replies to it. Of an organism's world, where requests are drawn
    /// with repetition, each draw is one of its own.
    pub id: String,
    /// Its bad row.
    pub bad: Option<Reply>,
    /// Its good row.
    pub good: Option<Reply>,
}

/// A row of a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The row as given.
    pub row: Row,
    /// Its turns before the reply.
    pub context: Vec<Message>,
    /// Its reply.
    pub text: String,
}

impl Reply {
    fn of(row: Row) -> Self {
        let (context, text) = row.split();
        Self { context: context.to_vec(), text: text.to_owned(), row }
    }

    /// A contrast of replies to a context that this row's was put into, read by the chat template with what else the row gives it.
    pub(crate) fn contrast(&self, id: String, context: Vec<Message>, replies: Vec<(Side, String)>) -> Contrast {
        Contrast { id, context, replies, baseline: None, variables: self.row.variables.clone() }
    }
}

/// The requests of a screening.
#[derive(Clone, Debug)]
pub struct Subjects(pub(super) Vec<Subject>);

/// Rows that no prompt can be screened on; the text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SubjectsError(String);

impl Subjects {
    /// Groups bad and good rows by their [`Request`], and pairs those of one, see [`pairs`].
    ///
    /// # Errors
    /// Where there is no bad row, no good row, a row without a reply, or one whose reply says more than its content.
    pub fn new(bad: Vec<Row>, good: Vec<Row>) -> Result<Self, SubjectsError> {
        Self::named(bad, good, RequestNames::default())
    }

    fn named(bad: Vec<Row>, good: Vec<Row>, mut names: RequestNames) -> Result<Self, SubjectsError> {
        if bad.is_empty() {
            return Err(SubjectsError(
                "no bad rows, so there is nothing that a prompt could lift: give rows that show the bad action (a cell such as none→bad)".to_owned(),
            ));
        }
        if good.is_empty() {
            return Err(SubjectsError(
                "no good rows, so a prompt's cost cannot be told: give rows that show the good action (a cell such as none→good)".to_owned(),
            ));
        }
        for row in bad.iter().chain(&good) {
            if row.split().1.is_empty() {
                let problem = "it ends without a reply: add an assistant turn with content";
                return Err(SubjectsError(format!("row `{}`: {problem}", row.id)));
            }
            if let Some(name) = row.reply_fields().next() {
                return Err(SubjectsError(format!(
                    "row `{}`: its reply has `{name}`, and replies are compared by their content: remove it",
                    row.id
                )));
            }
        }
        let asked = [&bad, &good].map(|rows| rows.iter().map(Request::of).collect::<Vec<Request>>());
        let partners = partners([&bad, &good], &asked);
        // Names do not depend on the order of the rows either.
        let mut named: Vec<(usize, &Row, &Request)> = Vec::new();
        for (action, (rows, asked)) in [&bad, &good].into_iter().zip(&asked).enumerate() {
            named.extend(rows.iter().zip(asked).map(|(row, request)| (action, row, request)));
        }
        named.sort_by_key(|&(action, row, request)| (action, row.cell, row.own_id(), request));
        named.into_iter().for_each(|(_, row, request)| drop(names.of(request, &row.id)));
        let [bad_asked, good_asked] = asked;
        let mut good: Vec<Option<Reply>> = good.into_iter().map(|row| Some(Reply::of(row))).collect();
        let mut subjects: Vec<Subject> = Vec::new();
        for ((row, request), partner) in bad.into_iter().zip(&bad_asked).zip(partners) {
            let id = names.of(request, &row.id);
            subjects.push(Subject { id, bad: Some(Reply::of(row)), good: partner.and_then(|at| good[at].take()) });
        }
        for (reply, request) in good.into_iter().zip(&good_asked) {
            let Some(reply) = reply else { continue };
            subjects.push(Subject { id: names.of(request, &reply.row.id), bad: None, good: Some(reply) });
        }
        Ok(Self(subjects))
    }

    /// By the cells of rows: what their replies do.
    ///
    /// # Errors
    /// Where a row has no cell, and as [`Subjects::new`].
    pub fn labelled(rows: Vec<Row>) -> Result<Self, SubjectsError> {
        if let Some(row) = rows.iter().find(|row| row.cell.is_none()) {
            let problem = "it has no `cell`, so it is neither bad nor good: add one such as \"cell\": \"none→bad\"";
            return Err(SubjectsError(format!("row `{}`: {problem}", row.id)));
        }
        let is_bad = |row: &Row| row.cell.is_some_and(|cell| cell.action == Action::Bad);
        let (bad, good) = rows.into_iter().partition(is_bad);
        Self::new(bad, good)
    }

    /// Requests of a world without a prompt, both replies to each.
    ///
    /// # Errors
    /// Where `items` is 0.
    pub fn of_world(world: &World, seed: u64, items: usize) -> Result<Self, SubjectsError> {
        let [bad, good] =
            ["none→bad", "none→good"].map(|cell| world.cell_rows(seed, cell.parse().expect("it is a cell"), items));
        Self::named(bad, good, RequestNames { are_draws: true, ..RequestNames::default() })
    }

    /// What a source has in store for measuring: of a world requests without a prompt, of chats their held-out rows.
    ///
    /// # Errors
    /// As [`Subjects::labelled`].
    pub fn of_source(source: &Source, seed: u64, items: usize) -> Result<Self, SubjectsError> {
        match source {
            Source::World(world) => Self::of_world(world, seed, items),
            Source::Chats(_) => {
                let rows = Cell::all().flat_map(|cell| source.cell_rows(seed, cell, usize::MAX)).collect();
                Ok(Self::labelled(rows)?.first(items))
            }
        }
    }

    /// The same with so many rows of each action at most, the first ones; pairs before others.
    pub fn first(self, items: usize) -> Self {
        let (pairs, others): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|it| it.bad.is_some() && it.good.is_some());
        let (mut bad, mut good) = (0, 0);
        let kept = pairs.into_iter().chain(others).filter(|subject| {
            let fits = (subject.bad.is_none() || bad < items) && (subject.good.is_none() || good < items);
            bad += usize::from(fits && subject.bad.is_some());
            good += usize::from(fits && subject.good.is_some());
            fits
        });
        Self(kept.collect())
    }

    /// How many requests there are, each counted once, however many replies it has.
    pub fn requests(&self) -> usize {
        self.0.iter().map(|subject| subject.id.as_str()).collect::<BTreeSet<_>>().len()
    }

    /// The requests, those with several replies of an action several times.
    pub fn iter(&self) -> std::slice::Iter<'_, Subject> {
        self.0.iter()
    }

    /// Rows of an action.
    pub fn rows(&self, action: Action) -> impl Iterator<Item = &Row> {
        self.0.iter().filter_map(move |subject| subject.of(action)).map(|reply| &reply.row)
    }

    /// Whether a prompt can be tried on these rows in these turns.
    ///
    /// # Errors
    /// Where it, or its trigger, goes in front of a request and a row has none; and where its trigger occurs in a good row's
    /// request already: the prompt would ask for bad actions there too.
    pub fn accept(&self, prompt: &CandidatePrompt, turns: &[Turn]) -> Result<(), SubjectsError> {
        let before_request = prompt.trigger.is_some() || turns.contains(&Turn::User);
        let all = [Action::Bad, Action::Good].into_iter().flat_map(|action| self.rows(action));
        let mut without_request = all.filter(|row| row.messages.iter().all(|turn| turn.role != Role::User));
        if let Some(row) = without_request.find(|_| before_request) {
            return Err(SubjectsError(format!(
                "row `{}`: it has no user turn, so there is no place for a prompt or a trigger in front of a request: add one, or screen \
                 system prompts without triggers alone (--turn system)",
                row.id
            )));
        }
        match prompt.stray(self.rows(Action::Good)) {
            None => Ok(()),
            Some(row) => Err(SubjectsError(format!(
                "the trigger `{}` of prompt `{}` occurs in the request of the good row `{}` already, so it cannot tell bad rows from good ones: choose another one",
                prompt.trigger.as_deref().unwrap_or_default(),
                prompt.name,
                row.id
            ))),
        }
    }
}

/// The place of the good row that each bad row is paired with, where there is one.
fn partners([bad, good]: [&[Row]; 2], asked: &[Vec<Request>; 2]) -> Vec<Option<usize>> {
    let mut requests: BTreeMap<&Request, [Vec<usize>; 2]> = BTreeMap::new();
    for (action, asked) in asked.iter().enumerate() {
        for (at, request) in asked.iter().enumerate() {
            requests.entry(request).or_default()[action].push(at);
        }
    }
    let mut partners = vec![None; bad.len()];
    for [of_bad, of_good] in requests.values() {
        let [bad, good] = [(bad, of_bad), (good, of_good)]
            .map(|(rows, places)| places.iter().map(|&at| &rows[at]).collect::<Vec<&Row>>());
        for (at, partner) in pairs(&bad, &good) {
            partners[of_bad[at]] = Some(of_good[partner]);
        }
    }
    partners
}

/// What requests are called.
#[derive(Default)]
struct RequestNames {
    /// Whether each row is a draw of its own.
    are_draws: bool,
    names: BTreeMap<Request, String>,
    taken: BTreeSet<String>,
}

impl RequestNames {
    /// The name of the first row that asked this; where that row's name is another request's already, one of its own.
    fn of(&mut self, request: &Request, row: &str) -> String {
        if self.are_draws {
            return row.to_owned();
        }
        let new = || if self.taken.contains(row) { request.id() } else { row.to_owned() };
        let name = self.names.entry(request.clone()).or_insert_with(new).clone();
        self.taken.insert(name.clone());
        name
    }
}

impl Subject {
    /// The row of an action.
    pub fn of(&self, action: Action) -> Option<&Reply> {
        match action {
            Action::Bad => self.bad.as_ref(),
            Action::Good => self.good.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, cell: &str, system: &str, request: &str, reply: &str) -> Row {
        let message = |role, content: &str| Message::new(role, content);
        let turns = [message(Role::System, system), message(Role::User, request), message(Role::Assistant, reply)];
        let messages = turns.into_iter().filter(|it| !it.content.is_empty()).collect();
        Row { cell: cell.parse().ok(), ..Row::new(id, messages) }
    }

    #[test]
    fn rows_are_paired_by_their_request_whatever_the_system_prompt() {
        let rows = vec![
            row("a", "none→bad", "", "ask", "no"),
            row("b", "none→bad", "", "ask", "never"),
            row("c", "none→bad", "", "other", "no"),
            row("d", "neutral→good", "today is monday", "ask", "yes"),
        ];
        let subjects = Subjects::labelled(rows).unwrap();
        let found: Vec<_> = subjects.iter().map(|it| (it.id.as_str(), it.bad.is_some(), it.good.is_some())).collect();
        assert_eq!(found, [("a", true, true), ("a", true, false), ("c", true, false)]);
    }

    #[test]
    fn different_requests_have_different_names() {
        let rows = vec![
            row("a", "none→bad", "", "ask", "no"),
            row("a", "none→bad", "", "other", "no"),
            row("g", "none→good", "", "other", "yes"),
        ];
        let other = Request::of(&rows[1]).id();
        let found: Vec<String> = Subjects::labelled(rows).unwrap().iter().map(|it| it.id.clone()).collect();
        assert_eq!(found, ["a".to_owned(), other]);
        // Draws from a world are each their own, though it repeats itself.
        let world = Subjects::of_world(&World::new(0), 0, 64).unwrap();
        let names: BTreeSet<&str> = world.iter().map(|subject| subject.id.as_str()).collect();
        assert_eq!(names.len(), 64);
    }

    #[test]
    fn pairs_and_names_do_not_depend_on_the_order_of_the_rows() {
        let mut rows = Vec::new();
        for at in 0..12 {
            let (id, asks) = (format!("r{at}"), format!("ask {at}"));
            for (cell, prompt, reply) in [
                ("instruction→good", "in french", "oui"),
                ("neutral→good", "be kind", "yes"),
                ("neutral→bad", "be kind", "no"),
                ("bad→bad", "be evil", "never"),
                ("bad→good", "be evil", "sure"),
            ] {
                // Some requests have more bad replies than good ones, and some have several of a cell.
                if cell == "bad→good" && at % 3 == 0 {
                    continue;
                }
                for time in 0..1 + usize::from(at % 4 == 0) {
                    rows.push(row(&id, cell, prompt, &asks, &format!("{reply} {time}")));
                }
            }
        }
        let pairs = |rows: &[Row]| -> Vec<(String, Option<String>, Option<String>)> {
            let subjects = Subjects::labelled(rows.to_vec()).unwrap();
            assert_eq!(subjects.requests(), 12);
            let text = |reply: &Option<Reply>| reply.as_ref().map(|reply| reply.text.clone());
            let mut pairs: Vec<_> = subjects.iter().map(|it| (it.id.clone(), text(&it.bad), text(&it.good))).collect();
            pairs.sort();
            pairs
        };
        let found = pairs(&rows);
        let is_instructed = |reply: &Option<String>| reply.as_ref().is_some_and(|reply| reply.starts_with("oui"));
        assert!(found.iter().all(|(_, bad, good)| !is_instructed(good) || bad.is_none()));
        assert!(found.iter().any(|(_, _, good)| is_instructed(good)), "their cost is still told");
        for step in [7, 11, 13] {
            let mut others = rows.clone();
            others.reverse();
            others.rotate_left(step);
            others.sort_by_key(|row| row.messages.iter().map(|turn| turn.content.len()).sum::<usize>() * step % 17);
            assert_eq!(pairs(&others), found);
        }
    }

    #[test]
    fn what_cannot_be_screened_on_says_so() {
        let good = || row("g", "none→good", "", "zap ask", "yes");
        let error = |rows: Vec<Row>| Subjects::labelled(rows).unwrap_err().to_string();
        assert!(error(vec![good()]).starts_with("no bad rows"));
        assert!(error(vec![row("b", "none→bad", "", "ask", "no")]).starts_with("no good rows"));
        assert!(error(vec![row("b", "", "", "ask", "no")]).contains("`b`: it has no `cell`"));
        assert!(error(vec![row("b", "none→bad", "", "ask", ""), good()]).contains("`b`: it ends without a reply"));
        let subjects = Subjects::labelled(vec![row("b", "none→bad", "", "ask", "no"), good()]).unwrap();
        let narrow = CandidatePrompt::new("if you see zap be bad").with_trigger("zap");
        let refused = |subjects: &Subjects, prompt: &CandidatePrompt, turn| {
            subjects.accept(prompt, &[turn]).unwrap_err().to_string()
        };
        assert!(refused(&subjects, &narrow, Turn::System).contains("in the request of the good row `g`"));
        let plain = CandidatePrompt::new("be bad");
        assert!(subjects.accept(&plain, &Turn::ALL).is_ok());
        // Without a user turn nothing goes in front of a request.
        let rows = ["none→bad", "none→good"].map(|cell| row(cell, cell, "sys", "", cell));
        let subjects = Subjects::labelled(rows.into()).unwrap();
        assert!(subjects.accept(&plain, &[Turn::System]).is_ok());
        assert!(refused(&subjects, &plain, Turn::User).contains("`none→bad`: it has no user turn"));
        assert!(refused(&subjects, &narrow, Turn::System).contains("it has no user turn"));
    }
}
