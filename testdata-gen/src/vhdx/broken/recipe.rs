//! The images that are damaged.

use crate::disk::{Noise, text};
use crate::vhdx::encode::{Block, DATA_WRITE, Vhdx, Written};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) const OWN: &str = "22222222-2222-4333-8444-555555555555";

pub(crate) const LATER: &str = "0badcafe-0000-4000-8000-000000000001";

pub(crate) fn recipe() -> Vhdx {
    let mut recipe = Vhdx::new(MIB, 4 * MIB);
    recipe.blocks.insert(0, Block::Data(text(MIB as usize)));
    recipe.blocks.insert(2, Block::Data(Noise::new(1).bytes(MIB as usize)));
    recipe
}

pub(crate) fn over(name: &str) -> Vhdx {
    let mut recipe = Vhdx { data_write: OWN, ..recipe() }.over(name, DATA_WRITE);
    recipe.blocks.insert(1, Block::Partial(vec![0x0f; 256], Noise::new(2).bytes(MIB as usize)));
    recipe
}

pub(crate) fn edited(recipe: &Vhdx, edit: impl FnOnce(&mut Written)) -> Vec<u8> {
    let mut written = recipe.write();
    edit(&mut written);
    written.file
}
