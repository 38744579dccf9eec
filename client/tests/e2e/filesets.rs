//! PLINK files in memory, and what makes one site's files differ from another's.

use std::path::Path;

/// PLINK files in memory.
pub struct Files {
    pub fam: Vec<String>,
    /// Six columns.
    pub bim: Vec<Vec<String>>,
    /// `[variant][person]`: 0 twice the first allele, 1 missing, 2 one of each, 3 twice the second.
    pub codes: Vec<Vec<u8>>,
}

impl Files {
    pub fn read(prefix: &Path) -> Self {
        let lines = |extension: &str| -> Vec<String> {
            let text = std::fs::read_to_string(prefix.with_extension(extension)).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        let (fam, bim) = (lines("fam"), lines("bim"));
        let bed = std::fs::read(prefix.with_extension("bed")).unwrap();
        let people = 0..fam.len();
        let codes = bed[3..]
            .chunks(fam.len().div_ceil(4))
            .map(|row| people.clone().map(|i| row[i / 4] >> (2 * (i % 4)) & 3).collect())
            .collect();
        let bim = bim.iter().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect();
        Self { fam, bim, codes }
    }

    pub fn of(&self, people: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.fam.len()).filter(|i| people(*i)).collect();
        let codes = self.codes.iter().map(|row| kept.iter().map(|&i| row[i]).collect()).collect();
        let fam = kept.iter().map(|&i| self.fam[i].clone()).collect();
        Self { fam, bim: self.bim.clone(), codes }
    }

    pub fn write(&self, prefix: &Path) {
        let mut bed = vec![0x6c, 0x1b, 1];
        for row in &self.codes {
            bed.extend(row.chunks(4).map(|four| {
                four.iter().enumerate().fold(0, |byte, (i, code)| byte | code << (2 * i))
            }));
        }
        std::fs::write(prefix.with_extension("bed"), bed).unwrap();
        std::fs::write(prefix.with_extension("fam"), self.fam.join("\n") + "\n").unwrap();
        let bim: String = self.bim.iter().map(|row| row.join("\t") + "\n").collect();
        std::fs::write(prefix.with_extension("bim"), bim).unwrap();
    }

    pub fn reversed(mut self) -> Self {
        self.bim.reverse();
        self.codes.reverse();
        self
    }

    pub fn swapped(mut self) -> Self {
        self.bim.iter_mut().for_each(|row| row.swap(4, 5));
        self.codes.iter_mut().flatten().for_each(|code| *code = [3, 1, 2, 0][usize::from(*code)]);
        self
    }

    /// On the other strand, where alleles tell the strand.
    pub fn flipped(mut self) -> Self {
        let other = |allele: &str| match allele {
            "A" => "T",
            "C" => "G",
            "G" => "C",
            _ => "A",
        };
        for row in &mut self.bim {
            let bases = row[4].len() == 1 && row[5].len() == 1;
            if bases && row[4] != other(&row[5]) {
                (row[4], row[5]) = (other(&row[4]).to_owned(), other(&row[5]).to_owned());
            }
        }
        self
    }

    pub fn without(mut self, absent: impl Fn(usize) -> bool) -> Self {
        let mut number = 0..;
        self.bim.retain(|_| !absent(number.next().unwrap()));
        let mut number = 0..;
        self.codes.retain(|_| !absent(number.next().unwrap()));
        self
    }
}
