//! A small histogram of latencies: four bins to a doubling, so that one for every stretch of a run costs little.
//!
//! It is for pictures. The numbers that a summary states come from a finer one.

use std::time::Duration;

/// Everything faster than this shares a bin: 2^6 microseconds.
const FIRST_POWER: u32 = 6;
/// Everything slower than twice this shares the last one: 2^31 microseconds are 36 minutes.
const LAST_POWER: u32 = 31;
const BINS: usize = ((LAST_POWER - FIRST_POWER + 1) * 4 + 1) as usize;

/// See the module.
#[derive(Clone, Debug)]
pub struct Latencies {
    bins: [u32; BINS],
}

impl Default for Latencies {
    fn default() -> Self {
        Self { bins: [0; BINS] }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let bin = &mut self.bins[place(latency)];
        *bin = bin.saturating_add(1);
    }

    /// Counts what another has counted.
    pub fn add(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            *bin = bin.saturating_add(*more);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|bin| u64::from(*bin)).sum()
    }

    /// The bins that hold something and those between them: from, to (in milliseconds), how many.
    #[must_use]
    pub fn bins(&self) -> Vec<(f64, f64, u32)> {
        let Some(first) = self.bins.iter().position(|bin| *bin > 0) else { return Vec::new() };
        let last = self.bins.iter().rposition(|bin| *bin > 0).unwrap_or(first);
        (first..=last).map(|place| (lower(place), lower(place + 1), self.bins[place])).collect()
    }

    /// The latency in milliseconds that this share of all does not exceed, to a bin's width; nothing where there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count() as f64;
        let mut before = 0.0;
        for (from, to, count) in self.bins() {
            let count = f64::from(count);
            if count > 0.0 && before + count >= wanted {
                return Some(from + (to - from) * ((wanted - before) / count).clamp(0.0, 1.0));
            }
            before += count;
        }
        None
    }
}

fn place(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let power = micros.max(1).ilog2();
    if power < FIRST_POWER {
        return 0;
    }
    if power > LAST_POWER {
        return BINS - 1;
    }
    let quarter = (micros >> (power - 2)) & 3;
    ((power - FIRST_POWER) * 4) as usize + quarter as usize + 1
}

/// Where a bin begins, in milliseconds.
fn lower(place: usize) -> f64 {
    if place == 0 {
        return 0.0;
    }
    let (doublings, quarters) = ((place - 1) / 4, (place - 1) % 4);
    let micros = (1_u64 << (FIRST_POWER as usize + doublings)) as f64 * (1.0 + quarters as f64 / 4.0);
    micros / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_latency_stands_in_the_bin_around_it(micros in 0_u64..1 << 32) {
            let place = place(Duration::from_micros(micros));
            let ms = micros as f64 / 1000.0;
            prop_assert!(lower(place) <= ms && ms < lower(place + 1), "{place}: {} {ms}", lower(place));
        }

        #[test]
        fn quantiles_are_right_to_a_bins_width(mut micros in prop::collection::vec(64_u64..10_000_000, 1..300)) {
            let mut latencies = Latencies::default();
            micros.iter().for_each(|micros| latencies.record(Duration::from_micros(*micros)));
            micros.sort_unstable();
            for share in [0.5, 0.9, 0.99, 1.0] {
                let rank = ((share * micros.len() as f64).ceil() as usize).clamp(1, micros.len());
                let exact = micros[rank - 1] as f64 / 1000.0;
                let found = latencies.quantile(share).unwrap();
                prop_assert!((found / exact - 1.0).abs() < 0.26, "{share}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_the_slowest_has_a_bin() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.quantile(0.5), latencies.bins()), (None, Vec::new()));
        latencies.record(Duration::MAX);
        latencies.record(Duration::ZERO);
        assert_eq!((latencies.count(), latencies.bins().len()), (2, BINS));
    }
}
