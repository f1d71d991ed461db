import pytest
import torch

from zoo.data.sound_augment import SoundAugment
from zoo.errors import OptionError

RATE = 8000
ALL = {"speed": 0.2, "shift": 0.05, "gain": 6.0, "noise": 0.7, "time_mask": 0.3, "frequency_mask": 0.3}


def waves(count: int = 16, length: int = 1000) -> torch.Tensor:
    return 0.1 * torch.randn(count, length, generator=torch.Generator().manual_seed(0))


def heard(augment: SoundAugment, rows: torch.Tensor, *, epoch: int = 0, seed: int = 0) -> torch.Tensor:
    draws = augment.table(16, seed, epoch)[rows]
    moved = augment.on_waves(waves()[rows], draws)
    return augment.on_features(moved.view(len(rows), 1, 20, 50).clone(), draws)


def test_what_happens_to_a_sound_is_a_function_of_seed_epoch_and_sample_and_not_of_its_batch():
    augment, every = SoundAugment(**ALL), torch.arange(16)
    together = heard(augment, every)
    turned = heard(SoundAugment(**ALL), every.flip(0)).flip(0)
    alone = torch.cat([heard(augment, row) for row in every.split(1)])
    torch.testing.assert_close(turned, together, atol=0, rtol=0)
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=1e-5)
    for other in (heard(augment, every, epoch=1), heard(augment, every, seed=1)):
        assert (other != together).flatten(1).any(1).all()


@pytest.mark.parametrize("option", ALL)
def test_switching_one_option_off_leaves_the_draws_of_the_others_as_they_were(option):
    whole, rest = SoundAugment(**ALL), SoundAugment(**{**ALL, option: 0.0})
    kept = [whole.names.index(name) for name in rest.names]
    assert len(kept) < len(whole.names)
    assert torch.equal(whole.table(16, 0, 3)[:, kept], rest.table(16, 0, 3))


def test_nothing_happens_where_all_is_off():
    augment = SoundAugment()
    draws = augment.table(16, 0, 0)
    assert torch.equal(augment.on_waves(waves(), draws), waves())
    assert torch.equal(augment.on_features(waves().unsqueeze(1), draws), waves().unsqueeze(1))


def drawn(augment: SoundAugment, **values: float) -> torch.Tensor:
    """One sample's row of the table, 0.5 where nothing is said."""
    return torch.tensor([[values.get(name, 0.5) for name in augment.names]])


@pytest.mark.parametrize(("draw", "samples"), [(0.0, -80), (0.5, 0), (1.0, 80)])
def test_a_shift_moves_by_whole_samples_and_fills_up_with_silence(draw, samples):
    augment, wave = SoundAugment(shift=0.08), waves(1)
    moved = augment.on_waves(wave, drawn(augment, shift=draw))
    expected = wave.roll(samples, 1)
    expected[:, : max(samples, 0)] = 0
    expected[:, expected.shape[1] + min(samples, 0) :] = 0
    assert torch.equal(moved, expected)


@pytest.mark.parametrize(("draw", "factor"), [(0.0, 1 / 1.25), (0.5, 1.0), (1.0, 1.25)])
def test_speed_changes_the_pitch_by_its_factor(draw, factor):
    augment, time = SoundAugment(speed=0.25), torch.arange(8000) / RATE
    wave = torch.sin(2 * torch.pi * 500 * time)[None]
    spectrum = torch.fft.rfft(augment.on_waves(wave, drawn(augment, speed=draw))).abs()
    assert int(spectrum.argmax()) == pytest.approx(500 * factor, abs=1)


@pytest.mark.parametrize(("draw", "factor"), [(0.0, 10**-0.3), (0.5, 1.0), (1.0, 10**0.3)])
def test_gain_is_in_decibels(draw, factor):
    augment = SoundAugment(gain=6.0)
    torch.testing.assert_close(augment.on_waves(waves(), drawn(augment, gain=draw)), factor * waves())


@pytest.mark.parametrize("colour", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("draw", "snr"), [(0.0, 3.0), (1.0, 20.0)])
def test_noise_has_the_energy_that_is_drawn(draw, snr, colour):
    augment, wave = SoundAugment(noise=0.6, min_snr=3.0, max_snr=20.0), waves(1)
    noise = augment.on_waves(wave, drawn(augment, noise=0.0, noise_snr=draw, noise_colour=colour)) - wave
    ratio = 10 * torch.log10(wave.square().mean() / noise.square().mean())
    assert float(ratio) == pytest.approx(snr, abs=0.01)
    assert torch.equal(augment.on_waves(wave, drawn(augment, noise=0.7)), wave)


def test_noise_of_each_colour_has_its_spectrum():
    augment, wave = SoundAugment(noise=1.0, min_snr=0.0, max_snr=0.0), torch.zeros(1, 1 << 16)
    wave[0, 0] = 1.0
    slopes = []
    for colour in (0.1, 0.5, 0.9):
        noise = augment.on_waves(wave, drawn(augment, noise_colour=colour)) - wave
        energy = torch.fft.rfft(noise[0]).abs().square()
        slopes.append(float(torch.log10(energy[300:3000].mean() / energy[3000:30_000].mean())))
    assert slopes[0] == pytest.approx(0.0, abs=0.1)
    assert slopes[1] == pytest.approx(1.0, abs=0.2)
    assert slopes[2] == pytest.approx(2.0, abs=0.2)


def test_masks_blank_whole_columns_and_rows_of_no_more_than_their_share():
    augment = SoundAugment(time_mask=0.2, frequency_mask=0.25, num_masks=1)
    images = torch.ones(200, 1, 20, 50)
    blank = augment.on_features(images.clone(), augment.table(200, 0, 0)) == 0
    columns, rows = blank[:, 0].all(1).sum(1), blank[:, 0].all(2).sum(1)
    assert columns.max() == 10 and columns.min() == 0 and rows.max() == 5 and rows.min() == 0
    expected = 50 * rows + (20 - rows) * columns
    assert torch.equal(blank.sum((1, 2, 3)), expected)


def test_waveforms_are_masked_in_time_and_have_no_frequencies_to_mask():
    augment = SoundAugment(time_mask=0.5, frequency_mask=0.5, num_masks=1)
    blank = augment.on_features(torch.ones(50, 1, 100), augment.table(50, 0, 0)) == 0
    assert 0 < blank.sum(2).max() <= 50


def test_a_range_that_is_upside_down_is_refused():
    with pytest.raises(OptionError, match=r"data\.augment\.min_snr: 9 is more than max_snr 5; set it lower"):
        SoundAugment(min_snr=9.0, max_snr=5.0)
