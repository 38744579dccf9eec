//! The table of parameter sets of the finishing ring. A [`CkksParams`] can only come from it, so it can never be insecure.
//!
//! Security: at 128 bits (classical, ternary secrets) log2 QP, special primes included, may be at most 881 for N = 2^15
//! in the HomomorphicEncryption.org security standard (Albrecht et al. 2018, table 1), and 868 for N = 2^15 and 1747 for
//! N = 2^16 in the smaller figures of Bossuat et al., Security Guidelines for Implementing Homomorphic Encryption (2024).
//! We stay below the smaller ones. A joint secret is a sum of ternary ones, one of which at least is unknown to
//! any coalition. Finishing section 1.

use crate::arith::Modulus;
use crate::digest::Digest;
use crate::params::ERROR_ETA;

/// The primes with roots of unity of order 2^17, in the order in which sets take them: `= 1 mod 2^17`, just below 2^50.
pub(crate) const PRIMES: [(u64, u64); 34] = [
    (1_125_899_903_827_969, 169_252_693_929_443),
    (1_125_899_902_124_033, 955_405_190_258_157),
    (1_125_899_887_312_897, 803_558_805_138_350),
    (1_125_899_886_395_393, 15_208_527_436_131),
    (1_125_899_885_740_033, 682_486_848_139_722),
    (1_125_899_884_167_169, 793_664_709_457_113),
    (1_125_899_884_036_097, 406_023_796_856_374),
    (1_125_899_883_642_881, 640_008_629_501_248),
    (1_125_899_883_380_737, 383_579_204_000_894),
    (1_125_899_882_987_521, 189_763_787_945_141),
    (1_125_899_879_710_721, 435_130_572_898_763),
    (1_125_899_877_875_713, 868_699_454_966_575),
    (1_125_899_870_404_609, 767_659_984_740_252),
    (1_125_899_870_011_393, 613_774_092_710_638),
    (1_125_899_865_948_161, 74_095_380_466_666),
    (1_125_899_864_506_369, 1_068_316_436_289_924),
    (1_125_899_862_016_001, 24_202_644_760_916),
    (1_125_899_861_753_857, 456_935_082_362_563),
    (1_125_899_859_263_489, 420_453_299_192_868),
    (1_125_899_852_578_817, 435_887_904_009_749),
    (1_125_899_851_530_241, 1_052_538_066_089_258),
    (1_125_899_846_025_217, 502_424_875_705_687),
    (1_125_899_844_714_497, 115_865_122_335_296),
    (1_125_899_843_665_921, 589_318_212_814_316),
    (1_125_899_842_486_273, 453_648_388_659_157),
    (1_125_899_842_093_057, 314_223_661_019_221),
    (1_125_899_841_175_553, 1_121_996_901_052_657),
    (1_125_899_840_520_193, 680_013_351_113_694),
    (1_125_899_839_602_689, 689_685_244_701_538),
    (1_125_899_834_490_881, 318_003_393_236_996),
    (1_125_899_834_228_737, 329_766_035_872_471),
    (1_125_899_831_345_153, 387_261_481_198_972),
    (1_125_899_831_083_009, 897_436_460_676_501),
    (1_125_899_828_723_713, 850_836_437_187_164),
];

/// The same just below 2^46, for deep circuits that need less precision until they end.
pub(crate) const SMALL_PRIMES: [(u64, u64); 26] = [
    (70_368_740_769_793, 32_636_725_517_339),
    (70_368_739_065_857, 68_012_735_053_825),
    (70_368_738_410_497, 68_740_605_367_366),
    (70_368_737_230_849, 61_482_449_740_557),
    (70_368_736_706_561, 18_577_859_598_676),
    (70_368_732_774_401, 3_487_544_297_675),
    (70_368_723_337_217, 34_103_433_732_931),
    (70_368_721_764_353, 22_297_016_661_232),
    (70_368_720_322_561, 50_773_084_805_536),
    (70_368_718_225_409, 38_732_943_766_168),
    (70_368_715_603_969, 407_869_993_856),
    (70_368_715_210_753, 32_844_664_804_094),
    (70_368_714_817_537, 61_695_734_604_756),
    (70_368_714_424_321, 823_419_611_810),
    (70_368_712_327_169, 921_947_515_087),
    (70_368_710_492_161, 25_075_336_758_174),
    (70_368_708_001_793, 9_298_466_021_034),
    (70_368_701_448_193, 62_704_730_380_488),
    (70_368_700_137_473, 44_259_235_003_761),
    (70_368_698_171_393, 3_888_439_995_576),
    (70_368_697_909_249, 59_087_823_801_960),
    (70_368_696_729_601, 53_669_526_736_510),
    (70_368_695_418_881, 44_006_788_097_593),
    (70_368_695_156_737, 14_429_488_514_298),
    (70_368_691_486_721, 47_423_356_872_279),
    (70_368_684_408_833, 51_870_258_676_795),
];

/// Largest log2 QP allowed at N = 2^15.
const LIMIT_15: u32 = 868;
/// Largest log2 QP allowed at N = 2^16.
const LIMIT_16: u32 = 1747;

/// Primes that stay at the end of every circuit: a result has this many.
pub const BASE_LIMBS: usize = 3;

/// One allowed combination of ring degree and moduli.
///
/// `R = Z[X]/(X^N + 1)`; ciphertexts live modulo the product Q of [`CkksParams::limbs`] primes or of the first few of them,
/// evaluation keys modulo QP with [`CkksParams::special`] primes more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CkksParams {
    /// N = 2^15, five levels of two primes over a base of three: an inverse of degree 15.
    N32768Q750,
    /// N = 2^15, six levels of two primes over a base of three: an inverse of degree 31.
    N32768Q850,
    /// N = 2^16, 28 primes over a base of three: comparisons.
    N65536Q1700,
    /// N = 2^16, 31 primes over a base of three, of which the first 26 to be dropped have 46 bits: finer comparisons.
    N65536Q1746,
}

impl CkksParams {
    /// Every allowed set, smallest first.
    pub const ALL: [Self; 4] =
        [Self::N32768Q750, Self::N32768Q850, Self::N65536Q1700, Self::N65536Q1746];

    /// Ring degree N.
    pub const fn degree(self) -> usize {
        match self {
            Self::N32768Q750 | Self::N32768Q850 => 1 << 15,
            Self::N65536Q1700 | Self::N65536Q1746 => 1 << 16,
        }
    }

    /// Values in one ciphertext: N/2.
    pub const fn slots(self) -> usize {
        self.degree() / 2
    }

    /// Number of primes of Q.
    pub const fn limbs(self) -> usize {
        match self {
            Self::N32768Q750 => 13,
            Self::N32768Q850 => 15,
            Self::N65536Q1700 => 31,
            Self::N65536Q1746 => 34,
        }
    }

    /// Number of special primes.
    pub const fn special(self) -> usize {
        match self {
            Self::N32768Q750 | Self::N32768Q850 => 2,
            Self::N65536Q1700 | Self::N65536Q1746 => 3,
        }
    }

    /// Primes in one digit of the gadget.
    pub const fn digit_limbs(self) -> usize {
        3
    }

    /// Digits of the gadget: an evaluation key has so many ciphertexts.
    pub const fn digits(self) -> usize {
        self.limbs().div_ceil(self.digit_limbs())
    }

    /// Primes of QP.
    pub const fn all_limbs(self) -> usize {
        self.limbs() + self.special()
    }

    /// Words of a polynomial modulo QP.
    pub const fn words(self) -> usize {
        self.all_limbs() * self.degree()
    }

    /// How many primes of Q, its first ones, have 50 bits, as all special ones do; the others have 46.
    const fn large(self) -> usize {
        match self {
            Self::N65536Q1746 => 8,
            _ => self.limbs(),
        }
    }

    /// The primes with their roots: those of Q, then the special ones.
    pub(crate) fn primes(self) -> impl Iterator<Item = (u64, u64)> + Clone {
        let small = self.limbs() - self.large();
        let large = PRIMES.into_iter().take(self.large());
        let special = PRIMES.into_iter().skip(self.large()).take(self.special());
        large.chain(SMALL_PRIMES.into_iter().take(small)).chain(special)
    }

    /// The moduli: those of Q, then the special ones.
    pub fn moduli(self) -> impl Iterator<Item = Modulus> + Clone {
        self.primes().map(|(p, _)| Modulus::new(p))
    }

    /// Gives the product of the next so many primes that a circuit drops, from the last of `depth` back to the first.
    pub(crate) fn dropped(self, depth: usize) -> impl FnMut(usize) -> f64 {
        let first = self.limbs().saturating_sub(depth);
        let mut primes = self.moduli().take(self.limbs()).skip(first);
        move |count| primes.by_ref().take(count).map(|m| m.value() as f64).product()
    }

    /// Largest log2 QP that the tables allow at this degree.
    pub const fn log2_limit(self) -> u32 {
        match self {
            Self::N32768Q750 | Self::N32768Q850 => LIMIT_15,
            Self::N65536Q1700 | Self::N65536Q1746 => LIMIT_16,
        }
    }

    /// Name as printed and stored: `ckks-n32768-q750`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::N32768Q750 => "ckks-n32768-q750",
            Self::N32768Q850 => "ckks-n32768-q850",
            Self::N65536Q1700 => "ckks-n65536-q1700",
            Self::N65536Q1746 => "ckks-n65536-q1746",
        }
    }

    /// The set with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Digest of everything that defines the set: name, degree, primes, gadget, error distribution.
    pub fn digest(self) -> Digest {
        let mut text = format!(
            "{} N={} eta={ERROR_ETA} special={} digit={}",
            self.name(),
            self.degree(),
            self.special(),
            self.digit_limbs()
        );
        for p in self.moduli() {
            text.push_str(&format!(" p={}", p.value()));
        }
        Digest::derive("hegwas v1 ckks parameter set", text.as_bytes())
    }
}

// A set over its limit does not compile: primes are below 2^50 and 2^46.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const _: () = {
    let mut i = 0;
    while i < CkksParams::ALL.len() {
        let p = CkksParams::ALL[i];
        let (large, small) = (p.large() + p.special(), p.limbs() - p.large());
        assert!(large as u32 * 50 + small as u32 * 46 <= p.log2_limit());
        assert!(large <= PRIMES.len() && small <= SMALL_PRIMES.len());
        assert!(p.limbs() > BASE_LIMBS && p.large() > BASE_LIMBS);
        i += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Miller and Rabin with the bases that decide every 64-bit number.
    fn is_prime(n: u64) -> bool {
        let power = |mut base: u128, mut e: u64| {
            let mut result = 1;
            while e > 0 {
                if e & 1 == 1 {
                    result = result * base % u128::from(n);
                }
                base = base * base % u128::from(n);
                e >>= 1;
            }
            result
        };
        let twos = (n - 1).trailing_zeros();
        [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].into_iter().all(|a| {
            let mut x = power(a, (n - 1) >> twos);
            x == 1
                || (0..twos).any(|_| {
                    let minus_one = x == u128::from(n) - 1;
                    x = x * x % u128::from(n);
                    minus_one
                })
        })
    }

    #[test]
    fn primes_are_distinct_and_roots_have_their_order() {
        let primes: Vec<_> = PRIMES.into_iter().chain(SMALL_PRIMES).collect();
        assert!(primes.is_sorted_by(|a, b| a.0 > b.0));
        for (p, root) in primes {
            assert!(is_prime(p) && p % (1 << 17) == 1, "{p}");
            let m = Modulus::new(p);
            assert_eq!(m.pow(root, 1 << 16), p - 1, "order 2^17");
        }
        assert!(!is_prime(PRIMES[0].0 - 2));
    }

    #[test]
    fn names_and_digests_tell_the_sets_apart() {
        for p in CkksParams::ALL {
            assert_eq!(CkksParams::from_name(p.name()), Some(p));
            assert_eq!(CkksParams::ALL.iter().filter(|q| q.digest() == p.digest()).count(), 1);
            assert!(
                p.moduli().map(|m| (m.value() as f64).log2()).sum::<f64>() < p.log2_limit().into()
            );
        }
        assert_eq!(CkksParams::from_name("ckks-n16384-q850"), None);
    }
}
