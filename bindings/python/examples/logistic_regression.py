"""Logistic regression with numpy on several ranks: gs-SGD beside dense, accuracy and bytes of each.

Run: gossamer run -n 4 python3 logistic_regression.py
"""
import gossamer
import numpy

FEATURES, SAMPLES, BATCH, STEPS = 10_000, 512, 32, 100


def make_samples(random, truth):
    """Few features tell much and most tell little, as words do."""
    x = random.standard_normal((SAMPLES, FEATURES), numpy.float32) / numpy.sqrt(
        numpy.arange(1, FEATURES + 1, dtype="f")
    )
    return x, (x @ truth > 0).astype(numpy.float32)


def gradient(weights, x, y):
    probability = 1 / (1 + numpy.exp(-(x @ weights)))
    return x.T @ (probability - y) / len(y)


def train(session, algorithm, rate, momentum, x, y):
    weights = numpy.zeros(FEATURES, numpy.float32)
    compressor = session.make_compressor({"weights": weights}, algorithm=algorithm, momentum=momentum)
    random = numpy.random.default_rng(100 + session.rank)
    for _ in range(STEPS):
        batch = random.integers(0, SAMPLES, BATCH)
        compressor.step([gradient(weights, x[batch], y[batch])], [weights], rate)
    session.check_equal("weights", weights)
    return weights, compressor.stats().total_bytes_sent / STEPS


def main():
    with gossamer.Session() as session:
        truth = numpy.random.default_rng(0).standard_normal(FEATURES, numpy.float32)
        x, y = make_samples(numpy.random.default_rng(1 + session.rank), truth)
        test_x, test_y = make_samples(numpy.random.default_rng(1000 + session.rank), truth)
        for algorithm, rate, momentum in (
            ("dense", 1.0, 0.9),
            ("gs-sgd", 7.0, 0.3),
        ):  # rate / (1 - momentum) is the same
            weights, sent = train(session, algorithm, rate, momentum, x, y)
            accuracy = session.all_reduce(float(((test_x @ weights > 0) == test_y).mean()), "mean")
            if session.rank == 0:
                print(f"{algorithm:8} accuracy {accuracy:.3f}, {sent:9,.0f} B a step")


if __name__ == "__main__":
    main()
