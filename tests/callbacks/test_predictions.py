import csv
import math

import numpy as np

from zoo.callbacks.predictions import Predictions, join, markdown, per_class, write_per_class, write_predictions

NAMES = ["cat", 'dog, "big"', "bird"]
PREDICTIONS = Predictions(
    np.array([[0.7, 0.2, 0.1], [0.1, 0.25, 0.65], [0.0, 1.0, 0.0]], dtype=np.float32),
    np.array([0, 1, 1]),
    np.array([4, 0, 9]),
)


def test_the_table_of_predictions_is_exact(tmp_path):
    write_predictions(tmp_path / "p.csv", PREDICTIONS, NAMES, ["a.png", "b,c.png", "d.png"])
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        'index,name,target,prediction,correct,confidence,p_cat,"p_dog, ""big""",p_bird',
        "4,a.png,cat,cat,true,0.7,0.7,0.2,0.1",
        '0,"b,c.png","dog, ""big""",bird,false,0.65,0.1,0.25,0.65',
        '9,d.png,"dog, ""big""","dog, ""big""",true,1,0,1,0',
    ]


def test_more_than_a_hundred_classes_have_no_columns_of_probabilities(tmp_path):
    probabilities = np.eye(101, dtype=np.float32)[:1]
    names = [str(k) for k in range(101)]
    write_predictions(tmp_path / "p.csv", Predictions(probabilities, np.array([5]), np.array([0])), names, ["x"])
    assert (tmp_path / "p.csv").read_text().splitlines()[1:] == ["0,x,5,0,false,1"]


def test_confusions_count_the_true_class_by_row():
    assert PREDICTIONS.confusions.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_precision_recall_and_f1_agree_with_scikit_learn():
    from sklearn.metrics import precision_recall_fscore_support

    generator = np.random.default_rng(0)
    probabilities, targets = generator.random((200, 4)), generator.integers(0, 4, 200)
    predictions = Predictions(probabilities, targets, np.arange(200))
    entries = per_class(predictions.confusions, list("abcd"))
    expected = precision_recall_fscore_support(targets, predictions.classes)
    for position, column in enumerate(expected, start=1):
        assert np.allclose([entry[position] for entry in entries], column)


def test_what_is_undefined_is_left_empty(tmp_path):
    entries = per_class(np.array([[2, 0], [0, 0]]), ["seen", "never|seen"])
    assert math.isnan(entries[1].recall) and math.isnan(entries[1].precision)
    write_per_class(tmp_path / "c.csv", entries)
    with (tmp_path / "c.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["seen", "1", "1", "1", "2"], ["never|seen", "", "", "", "0"]]
    assert markdown(entries).splitlines()[2:] == [
        "| seen | 1.000 | 1.000 | 1.000 | 2 |",
        "| never\\|seen | - | - | - | 0 |",
    ]


def test_samples_that_a_sampler_repeated_count_once():
    other = Predictions(*(part[:2] for part in PREDICTIONS))
    joined = join([PREDICTIONS, other], distinct=True)
    assert joined.indices.tolist() == [0, 4, 9]
    assert joined.targets.tolist() == [1, 0, 1]
    assert len(join([PREDICTIONS, other]).indices) == 5
