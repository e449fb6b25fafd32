//! A model with one term or two, found from some points and held against others.

/// `first * x + second * y`, neither below nothing.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) first: f64,
    pub(crate) second: f64,
}

impl Model {
    /// The one whose relative errors at these points (x, y, value) have the least sum of squares.
    pub(crate) fn of(points: &[[f64; 3]]) -> Self {
        let sum = |of: &dyn Fn(&[f64; 3]) -> f64| -> f64 {
            points.iter().map(|point| of(point) / point[2].abs().max(f64::MIN_POSITIVE.sqrt()).powi(2)).sum()
        };
        let (xx, xy, yy) = (sum(&|p| p[0] * p[0]), sum(&|p| p[0] * p[1]), sum(&|p| p[1] * p[1]));
        let (xz, yz) = (sum(&|p| p[0] * p[2]), sum(&|p| p[1] * p[2]));
        let determinant = xx * yy - xy * xy;
        let both = Self { first: (xz * yy - yz * xy) / determinant, second: (yz * xx - xz * xy) / determinant };
        // A cost below nothing is a term that the points do not show, and without any a term is none.
        if both.first.is_finite() && both.second.is_finite() && both.first >= 0.0 && both.second >= 0.0 {
            return both;
        }
        let (first, second) = (Self { first: xz / xx, second: 0.0 }, Self { first: 0.0, second: yz / yy });
        if yy == 0.0 || first.error(points) <= second.error(points) { first } else { second }
    }

    pub(crate) fn at(&self, x: f64, y: f64) -> f64 {
        self.first * x + self.second * y
    }

    fn error(&self, points: &[[f64; 3]]) -> f64 {
        points.iter().map(|[x, y, value]| (self.at(*x, *y) / value - 1.0).powi(2)).sum()
    }
}
