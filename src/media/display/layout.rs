//! Where each of several pictures goes on one screen. Sans-IO.

use std::time::{Duration, Instant};

use crate::call::screen_layout::ScreenLayout as Layout;
use crate::call::screen_self_view::ScreenSelfView as Corner;

/// A place on the screen, pixels; all of them even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// At least 2.
    pub width: u32,
    /// At least 2.
    pub height: u32,
}

/// Without a picture for so long a far side stands still, and makes room for the others.
const STILL: Duration = Duration::from_secs(3);
/// Black for so long counts as no picture: a camera that is covered on purpose sends black, where
/// a cut of a film is black for less.
const COVERED: Duration = Duration::from_secs(1);
/// The others' row is this part of the screen's height, and each of them of its width.
const STRIP: u32 = 4;
/// The own picture has this part of the screen's width and height,
const OWN: u32 = 4;
/// and this part of its height between itself and the edges.
const MARGIN: u32 = 36;

/// Places for so many pictures on a screen of that size, in their order.
pub fn cells(layout: Layout, (width, height): (u32, u32), count: u32, speaker: u32) -> Vec<Cell> {
    match layout {
        Layout::Speaker if count > 1 => {
            let strip = size(height / STRIP);
            let main = Cell {
                x: 0,
                y: 0,
                width,
                height: height - strip,
            };
            let each = size(width / (count - 1).max(STRIP));
            let left = even((width - each * (count - 1)) / 2);
            let mut next = left;
            (0..count)
                .map(|n| {
                    if n == speaker {
                        return main;
                    }
                    let cell = Cell {
                        x: next,
                        y: height - strip,
                        width: each,
                        height: strip,
                    };
                    next += each;
                    cell
                })
                .collect()
        }
        Layout::Grid | Layout::Speaker => {
            let columns = (1..).find(|n| n * n >= count).unwrap_or(1);
            let rows = count.div_ceil(columns).max(1);
            let (wide, high) = (size(width / columns), size(height / rows));
            (0..count)
                .map(|n| {
                    let (row, column) = (n / columns, n % columns);
                    // A last row that is not full stands in the middle.
                    let in_row = columns.min(count - row * columns);
                    Cell {
                        x: even((width - wide * in_row) / 2) + column * wide,
                        y: row * high,
                        width: wide,
                        height: high,
                    }
                })
                .collect()
        }
    }
}

/// The own picture's size on a screen of that size, at most.
pub(super) fn own_size((width, height): (u32, u32)) -> (u32, u32) {
    (size(width / OWN), size(height / OWN))
}

/// The size several pictures are put together in for a screen: of its proportions, with no more
/// pixels than it has, and than `most` has.
pub(super) fn canvas(screen: (u32, u32), most: (u32, u32)) -> (u32, u32) {
    let area = |(width, height): (u32, u32)| f64::from(width) * f64::from(height);
    let scale = (area(most) / area(screen).max(1.0)).sqrt().min(1.0);
    // Not negative, and no larger than what it is made of.
    let scaled = |pixels: u32| size((f64::from(pixels) * scale) as u32);
    (scaled(screen.0), scaled(screen.1))
}

/// The own picture's place on a screen of that size; none when it is off.
pub fn own_cell(corner: Corner, (width, height): (u32, u32)) -> Option<Cell> {
    let (wide, high) = own_size((width, height));
    let margin = even(height / MARGIN);
    let (right, bottom) = (width - wide - margin, height - high - margin);
    let (x, y) = match corner {
        Corner::Off => return None,
        Corner::TopLeft => (margin, margin),
        Corner::TopRight => (right, margin),
        Corner::BottomLeft => (margin, bottom),
        Corner::BottomRight => (right, bottom),
    };
    Some(Cell {
        x: even(x),
        y: even(y),
        width: wide,
        height: high,
    })
}

/// Colour is stored at half resolution.
fn even(pixels: u32) -> u32 {
    pixels & !1
}

/// The even size next below, at least one pixel of colour.
fn size(pixels: u32) -> u32 {
    even(pixels).max(2)
}

/// Who is on the screen.
#[derive(Debug)]
pub(super) struct Seats {
    layout: Layout,
    seats: Vec<Seat>,
    /// As told from outside.
    speaker: Option<u64>,
    /// Whose picture last began, at first or again.
    latest: Option<u64>,
    /// What the others see, and where it is.
    own: Option<(Seat, Corner)>,
}

#[derive(Debug)]
struct Seat {
    /// Told apart from an earlier one of the same far side.
    number: u64,
    far_side: u64,
    last: Option<Instant>,
    /// Since when all of its pictures are black.
    black_since: Option<Instant>,
}

impl Seats {
    pub(super) fn new(layout: Layout) -> Self {
        Self {
            layout,
            seats: Vec::new(),
            speaker: None,
            latest: None,
            own: None,
        }
    }

    pub(super) fn set_layout(&mut self, layout: Layout) {
        self.layout = layout;
    }

    pub(super) fn set_speaker(&mut self, far_side: Option<u64>) {
        self.speaker = far_side;
    }

    pub(super) fn join(&mut self, number: u64, far_side: u64) {
        self.seats.push(Seat::new(number, far_side));
    }

    /// The own picture, in place of any earlier one.
    pub(super) fn join_own(&mut self, number: u64, corner: Corner) {
        self.own = Some((Seat::new(number, number), corner));
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.seats.retain(|seat| seat.number != number);
        self.own.take_if(|(own, _)| own.number == number);
    }

    /// All of them, by number, the own picture last; it is nobody as long as there is nobody else.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let own = self.own().filter(|_| !self.seats.is_empty());
        let others = self.seats.iter().map(|seat| seat.number);
        others.chain(own).collect()
    }

    /// The number of the own picture.
    pub(super) fn own(&self) -> Option<u64> {
        self.own.as_ref().map(|(own, _)| own.number)
    }

    /// A picture of one, all black or not; whether it moves again.
    pub(super) fn picture(&mut self, number: u64, is_black: bool, now: Instant) -> bool {
        if let Some((own, _)) = self.own.as_mut().filter(|(own, _)| own.number == number) {
            return own.picture(is_black, now);
        }
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.number == number) else {
            return false;
        };
        let moves_again = seat.picture(is_black, now);
        if moves_again {
            self.latest = Some(seat.far_side);
        }
        moves_again
    }

    /// Whose picture is where: of those who move, or of all who ever did when nobody does.
    pub(super) fn places(&self, size: (u32, u32), now: Instant) -> Vec<(u64, Cell)> {
        let moving: Vec<_> = self.seats.iter().filter(|seat| seat.moves(now)).collect();
        let shown = match moving.is_empty() {
            false => moving,
            true => self
                .seats
                .iter()
                .filter(|seat| seat.last.is_some())
                .collect(),
        };
        let at = |far_side: Option<u64>| {
            let is_meant = |seat: &&Seat| Some(seat.far_side) == far_side;
            shown.iter().position(is_meant)
        };
        let speaker = at(self.speaker).or_else(|| at(self.latest)).unwrap_or(0);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let cells = cells(self.layout, size, count(shown.len()), count(speaker));
        let others = shown.iter().map(|seat| seat.number).zip(cells);
        others.chain(self.own_place(size, now)).collect()
    }

    /// Where the own picture is, as long as it moves: a still one would tell that the others see it.
    fn own_place(&self, size: (u32, u32), now: Instant) -> Option<(u64, Cell)> {
        let (own, corner) = self.own.as_ref().filter(|(own, _)| own.moves(now))?;
        Some((own.number, own_cell(*corner, size)?))
    }
}

impl Seat {
    fn new(number: u64, far_side: u64) -> Self {
        Self {
            number,
            far_side,
            last: None,
            black_since: None,
        }
    }

    /// A picture, all black or not; whether it moves again.
    fn picture(&mut self, is_black: bool, now: Instant) -> bool {
        let moved = self.moves(now);
        self.last = Some(now);
        self.black_since = is_black.then(|| self.black_since.unwrap_or(now));
        !moved && self.moves(now)
    }

    fn moves(&self, now: Instant) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        self.last.is_some_and(|last| since(last) < STILL)
            && self.black_since.is_none_or(|then| since(then) < COVERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: (u32, u32) = (1280, 720);

    fn cell(x: u32, y: u32, width: u32, height: u32) -> Cell {
        Cell {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn in_a_grid_all_are_equal_and_the_last_row_stands_in_the_middle() {
        let grid = |count| cells(Layout::Grid, SIZE, count, 0);
        assert_eq!(grid(1), [cell(0, 0, 1280, 720)]);
        assert_eq!(grid(2), [cell(0, 0, 640, 720), cell(640, 0, 640, 720)]);
        assert_eq!(
            grid(3),
            [
                cell(0, 0, 640, 360),
                cell(640, 0, 640, 360),
                cell(320, 360, 640, 360)
            ]
        );
    }

    #[test]
    fn who_speaks_is_large_and_the_others_are_below() {
        let three = cells(Layout::Speaker, SIZE, 3, 1);
        assert_eq!(
            three,
            [
                cell(320, 540, 320, 180),
                cell(0, 0, 1280, 540),
                cell(640, 540, 320, 180)
            ]
        );
        let alone = cells(Layout::Speaker, SIZE, 1, 0);
        assert_eq!(alone, [cell(0, 0, 1280, 720)]);
    }

    #[test]
    fn who_stands_still_makes_room_until_moving_again_and_all_stay_when_all_do() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seats = Seats::new(Layout::Grid);
        seats.join(1, 10);
        seats.join(2, 20);
        let who = |seats: &Seats, now| -> Vec<u64> {
            let places = seats.places(SIZE, now);
            places.into_iter().map(|(number, _)| number).collect()
        };
        assert!(who(&seats, at(0)).is_empty(), "nobody has a picture yet");
        assert!(seats.picture(1, false, at(0)));
        assert!(seats.picture(2, false, at(0)));
        assert!(!seats.picture(1, false, at(2)));
        assert_eq!(who(&seats, at(2)), [1, 2]);
        assert_eq!(who(&seats, at(4)), [1], "the second stands still");
        assert_eq!(who(&seats, at(9)), [1, 2], "both do");
        assert!(seats.picture(2, false, at(10)));
        assert_eq!(who(&seats, at(10)), [2]);
        seats.leave(2);
        assert_eq!(who(&seats, at(10)), [1]);
    }

    #[test]
    fn who_covers_the_camera_makes_room_until_there_is_something_to_see() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut seats = Seats::new(Layout::Grid);
        let who = |seats: &Seats, now| -> Vec<u64> {
            let places = seats.places(SIZE, now);
            places.into_iter().map(|(number, _)| number).collect()
        };
        seats.join(1, 10);
        seats.join(2, 20);
        seats.picture(1, false, at(0));
        seats.picture(2, false, at(0));
        // A dark moment is none.
        assert!(!seats.picture(2, true, at(100)));
        assert!(!seats.picture(2, false, at(900)));
        assert_eq!(who(&seats, at(1_200)), [1, 2]);
        for millis in [1_500, 2_500, 3_500] {
            seats.picture(1, false, at(millis));
            assert!(!seats.picture(2, true, at(millis)));
        }
        assert_eq!(who(&seats, at(2_400)), [1, 2]);
        assert_eq!(who(&seats, at(3_500)), [1]);
        seats.picture(1, true, at(4_000));
        assert_eq!(who(&seats, at(5_500)), [1, 2], "both are covered");
        assert!(seats.picture(2, false, at(5_600)), "it is to be seen again");
        assert_eq!(who(&seats, at(5_600)), [2]);
    }

    #[test]
    fn large_is_who_is_said_to_speak_and_else_whose_picture_began_last() {
        let now = Instant::now();
        let mut seats = Seats::new(Layout::Speaker);
        for number in 1..=3 {
            seats.join(number, number * 10);
            seats.picture(number, false, now);
        }
        let large = |seats: &Seats| {
            let places = seats.places(SIZE, now);
            let large = places.iter().max_by_key(|(_, cell)| cell.width);
            large.map(|(number, _)| *number)
        };
        assert_eq!(large(&seats), Some(3));
        seats.set_speaker(Some(10));
        assert_eq!(large(&seats), Some(1));
        seats.leave(1);
        assert_eq!(large(&seats), Some(3), "who speaks has left");
        seats.set_layout(Layout::Grid);
        let places = seats.places(SIZE, now);
        assert_eq!(places[0].1.width, places[1].1.width);
    }

    #[test]
    fn what_several_share_has_the_screens_shape_and_no_more_pixels_than_are_of_use() {
        for (screen, wanted) in [
            ((1920, 1080), (1280, 720)),
            ((1280, 720), (1280, 720)),
            ((640, 480), (640, 480)),
            ((800, 1280), (758, 1214)),
            ((1, 1), (2, 2)),
        ] {
            assert_eq!(canvas(screen, SIZE), wanted, "{screen:?}");
        }
    }

    #[test]
    fn the_own_picture_is_small_in_its_corner_while_it_moves_and_never_alone() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut seats = Seats::new(Layout::Speaker);
        seats.join_own(9, Corner::BottomRight);
        seats.picture(9, false, at(0));
        assert!(seats.numbers().is_empty(), "nobody else is there");
        seats.join(1, 10);
        seats.picture(1, false, at(1));
        assert_eq!(seats.numbers(), [1, 9]);
        let whole = (1, cell(0, 0, 1280, 720));
        let places = seats.places(SIZE, at(1));
        assert_eq!(places, [whole, (9, cell(940, 520, 320, 180))]);
        seats.picture(1, false, at(4));
        assert_eq!(seats.places(SIZE, at(4)), [whole], "it stands still");
        assert!(seats.picture(9, false, at(4)));
        seats.join_own(11, Corner::TopLeft);
        seats.leave(9);
        assert_eq!(seats.numbers(), [1, 11]);
        seats.picture(11, false, at(4));
        let places = seats.places(SIZE, at(4));
        assert_eq!(places, [whole, (11, cell(20, 20, 320, 180))]);
        seats.leave(11);
        assert_eq!(seats.numbers(), [1]);
    }

    proptest! {
        #[test]
        fn cells_are_on_the_screen_and_never_on_each_other(
            count in 1_u32..12, speaker in 0_u32..12, wide in 64_u32..2000, high in 64_u32..1200,
            is_grid: bool,
        ) {
            let layout = if is_grid { Layout::Grid } else { Layout::Speaker };
            let size = (wide * 2, high * 2);
            let cells = cells(layout, size, count, speaker.min(count - 1));
            prop_assert_eq!(cells.len(), count as usize);
            for corner in [Corner::TopLeft, Corner::BottomRight] {
                let own = own_cell(corner, size).unwrap();
                prop_assert!(own.x + own.width <= size.0 && own.y + own.height <= size.1, "{own:?}");
                let edges = [own.x, own.y, own.width, own.height];
                prop_assert!(edges.iter().all(|pixels| pixels.is_multiple_of(2)), "{own:?}");
            }
            for (n, one) in cells.iter().enumerate() {
                prop_assert!(one.x + one.width <= size.0 && one.y + one.height <= size.1, "{one:?}");
                prop_assert!(one.x % 2 == 0 && one.y % 2 == 0 && one.width % 2 == 0, "{one:?}");
                for other in &cells[n + 1..] {
                    let apart = one.x + one.width <= other.x || other.x + other.width <= one.x
                        || one.y + one.height <= other.y || other.y + other.height <= one.y;
                    prop_assert!(apart, "{one:?} {other:?}");
                }
            }
        }
    }
}
