//! A strict reader of Prometheus's text format, written from its description.
//! It shares no code with what it tests.

use std::collections::{BTreeMap, HashMap, HashSet};

type Labels = BTreeMap<String, String>;

/// Metrics that were read, and found to be well-formed.
pub(crate) struct Metrics {
    kinds: HashMap<String, String>,
    samples: HashMap<(String, Labels), f64>,
}

impl Metrics {
    /// Reads a page of metrics; panics at what is not well-formed.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has an end");
        let mut metrics = Self {
            kinds: HashMap::new(),
            samples: HashMap::new(),
        };
        let mut helped = HashSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a text");
                assert!(is_name(name) && !words.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "told twice: {line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let known = metrics.kinds.insert(name.to_owned(), kind.to_owned());
                assert!(known.is_none() && helped.contains(name), "{line}");
                family = name.to_owned();
            } else {
                metrics.sample(line, &family);
            }
        }
        metrics.check_histograms();
        metrics
    }

    /// The value of a sample with exactly these labels.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let owned = |text: &str| text.to_owned();
        let labels = labels
            .iter()
            .map(|(name, value)| (owned(name), owned(value)));
        let key = (name.to_owned(), labels.collect());
        self.samples.get(&key).copied().unwrap_or(0.0)
    }

    /// The type of a metric.
    pub(crate) fn kind(&self, name: &str) -> Option<&str> {
        self.kinds.get(name).map(String::as_str)
    }

    #[track_caller]
    fn sample(&mut self, line: &str, family: &str) {
        let (key, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("a number: {line}"));
        assert!(value >= 0.0, "{line}");
        let (name, labels) = match key.split_once('{') {
            Some((name, rest)) => (name, labels(rest.strip_suffix('}').expect("an end"))),
            None => (key, Labels::new()),
        };
        let suffix = name.strip_prefix(family).expect("below its TYPE");
        let is_histogram = self
            .kinds
            .get(family)
            .is_some_and(|kind| kind == "histogram");
        let suffixes: &[&str] = match is_histogram {
            true => &["_bucket", "_sum", "_count"],
            false => &[""],
        };
        assert!(is_name(name) && suffixes.contains(&suffix), "{line}");
        let twice = self.samples.insert((name.to_owned(), labels), value);
        assert!(twice.is_none(), "twice: {line}");
    }

    /// Buckets grow up to the one without bound, which is the count.
    #[track_caller]
    fn check_histograms(&self) {
        let mut buckets: HashMap<(&str, Labels), Vec<(f64, f64)>> = HashMap::new();
        for ((name, labels), value) in &self.samples {
            if let Some(family) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bound");
                let bound = bound.trim_start_matches('+').parse().expect("a number");
                buckets
                    .entry((family, labels))
                    .or_default()
                    .push((bound, *value));
            }
        }
        for ((family, labels), mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(
                buckets.is_sorted_by_key(|bucket| bucket.1),
                "{family} {labels:?}"
            );
            let (bound, all) = buckets.pop().expect("a bucket");
            let count = self
                .samples
                .get(&(format!("{family}_count"), labels.clone()));
            assert!(bound.is_infinite() && count == Some(&all), "{family}");
            assert!(
                self.samples
                    .contains_key(&(format!("{family}_sum"), labels))
            );
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(is_letter) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Labels up to the end: `name="value"`, separated by commas.
#[track_caller]
fn labels(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a value");
        assert!(is_name(name), "{name}");
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next().expect("a quote at the end") {
                (end, '"') => break end,
                (_, '\\') => value.push(match letters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, letter @ ('\\' | '"'))) => letter,
                    other => panic!("an escape: {other:?}"),
                }),
                (_, letter) => value.push(letter),
            }
        };
        assert!(
            labels.insert(name.to_owned(), value).is_none(),
            "{name} twice"
        );
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    labels
}
