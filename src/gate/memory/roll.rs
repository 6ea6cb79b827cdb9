//! The jobs of one class in the order of their turns, with the number of jobs before each: a treap that knows the
//! size of each subtree, so that every question and change is O(log n). It knows nothing of budgets.

use crate::job::id::JobId;

/// When a job's turn is, compared with others: by band, then virtual time, then acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rank {
    pub band: u8,
    pub tag: u64,
    pub order: i64,
    /// Makes ranks unique.
    pub job: JobId,
}

type Link = Option<Box<Node>>;

#[derive(Debug)]
struct Node {
    rank: Rank,
    /// Higher is nearer to the root.
    heat: u64,
    /// Nodes of this subtree.
    size: u64,
    left: Link,
    right: Link,
}

/// An ordered set of ranks.
#[derive(Debug, Default)]
pub(super) struct Roll {
    root: Link,
    /// Heats are drawn from a fixed sequence: the shape depends on nothing but the history.
    drawn: u64,
}

impl Roll {
    /// The rank must not be in it yet.
    pub fn insert(&mut self, rank: Rank) {
        self.drawn = self.drawn.wrapping_add(1);
        let node = Node { rank, heat: scatter(self.drawn), size: 1, left: None, right: None };
        let (before, after) = split(self.root.take(), &rank);
        self.root = merge(merge(before, Some(Box::new(node))), after);
    }

    /// One that is not in it changes nothing.
    pub fn remove(&mut self, rank: &Rank) {
        let (before, after) = split(self.root.take(), rank);
        let after = if first(&after) == Some(*rank) { without_first(after) } else { after };
        self.root = merge(before, after);
    }

    /// How many are in it.
    pub fn len(&self) -> u64 {
        size(&self.root)
    }
    pub fn first(&self) -> Option<Rank> {
        first(&self.root)
    }

    /// How many ranks are lower.
    pub fn ahead_of(&self, rank: &Rank) -> u64 {
        let (mut link, mut ahead) = (&self.root, 0);
        while let Some(node) = link {
            if node.rank < *rank {
                ahead += size(&node.left) + 1;
                link = &node.right;
            } else {
                link = &node.left;
            }
        }
        ahead
    }
}

fn size(link: &Link) -> u64 {
    link.as_ref().map_or(0, |node| node.size)
}

fn first(link: &Link) -> Option<Rank> {
    let mut node = link.as_ref()?;
    while let Some(left) = &node.left {
        node = left;
    }
    Some(node.rank)
}

fn resize(node: &mut Node) {
    node.size = size(&node.left) + size(&node.right) + 1;
}

/// Every rank of `low` is below every rank of `high`.
fn merge(low: Link, high: Link) -> Link {
    match (low, high) {
        (None, link) | (link, None) => link,
        (Some(mut low), Some(mut high)) => {
            if low.heat > high.heat {
                low.right = merge(low.right.take(), Some(high));
                resize(&mut low);
                Some(low)
            } else {
                high.left = merge(Some(low), high.left.take());
                resize(&mut high);
                Some(high)
            }
        }
    }
}

/// The ranks below `at`, and the others.
fn split(link: Link, at: &Rank) -> (Link, Link) {
    let Some(mut node) = link else { return (None, None) };
    if node.rank < *at {
        let (before, after) = split(node.right.take(), at);
        node.right = before;
        resize(&mut node);
        (Some(node), after)
    } else {
        let (before, after) = split(node.left.take(), at);
        node.left = after;
        resize(&mut node);
        (before, Some(node))
    }
}

fn without_first(link: Link) -> Link {
    let mut node = link?;
    if node.left.is_none() {
        return node.right;
    }
    node.left = without_first(node.left.take());
    resize(&mut node);
    Some(node)
}

/// The finaliser of splitmix64: neighbours become unrelated.
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Entropy, job::time::Timestamp};

    fn rank(tag: u64) -> Rank {
        Rank { band: 0, tag, order: 0, job: JobId::new(Timestamp(0), u128::from(tag)) }
    }

    fn depth(link: &Link) -> u32 {
        link.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
    }

    #[test]
    fn a_roll_answers_like_a_sorted_list() {
        let entropy = Entropy::from_seed(7);
        let (mut roll, mut list) = (Roll::default(), Vec::new());
        for _ in 0..2_000 {
            let drawn = rank(entropy.draw() % 200);
            if let Ok(at) = list.binary_search(&drawn) {
                list.remove(at);
                roll.remove(&drawn);
            } else if entropy.draw().is_multiple_of(3) {
                roll.remove(&drawn);
            } else {
                list.push(drawn);
                list.sort_unstable();
                roll.insert(drawn);
            }
            let asked = rank(entropy.draw() % 200);
            let ahead = list.iter().filter(|rank| **rank < asked).count();
            assert_eq!((roll.first(), roll.ahead_of(&asked)), (list.first().copied(), ahead as u64));
        }
    }

    #[test]
    fn a_roll_filled_in_order_stays_shallow() {
        let mut roll = Roll::default();
        for tag in 0..10_000 {
            roll.insert(rank(tag));
        }
        assert!(depth(&roll.root) < 60, "{}", depth(&roll.root));
    }
}
