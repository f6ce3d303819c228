"""The data sets that the pipeline knows, each file by its SHA-256.

Convention: every data set is four files in the IDX format under the same four names, as MNIST
was first published; who reads them need not know which data set it is.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        name: in `data.name`, and of its folder.
        title: for people.
        source: where it was published.
        files: SHA-256 by file name.
        mirrors: addresses of folders that hold the files, best first; none if it is embedded.
        image_shape: height and width in pixels.
        classes: how many kinds of label.
        train_images: in the training file.
        test_images: in the test file.
    """

    name: str
    title: str
    source: str
    files: dict[str, str]
    mirrors: tuple[str, ...]
    image_shape: tuple[int, int] = (28, 28)
    classes: int = 10
    train_images: int = 60_000
    test_images: int = 10_000

    @property
    def features(self) -> int:
        """Pixels an image."""
        height, width = self.image_shape
        return height * width


def _files(
    train_images: str, train_labels: str, test_images: str, test_labels: str
) -> dict[str, str]:
    return {
        TRAIN_IMAGES: train_images,
        TRAIN_LABELS: train_labels,
        TEST_IMAGES: test_images,
        TEST_LABELS: test_labels,
    }


_ALL = (
    Dataset(
        name="mnist",
        title="MNIST",
        source="Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits",
        files=_files(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    Dataset(
        name="fashion_mnist",
        title="Fashion-MNIST",
        source="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747",
        files=_files(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
    ),
    Dataset(
        name="kmnist",
        title="Kuzushiji-MNIST",
        source="T. Clanuwat et al.: Deep Learning for Classical Japanese Literature, "
        "arXiv:1812.01718",
        files=_files(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    ),
    Dataset(
        name="digits",
        title="scikit-learn's 8x8 digits",
        source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998; "
        "the 1,797 images that scikit-learn embeds, the last 360 as test file",
        files=_files(
            "9fc70daaade8d17a044fd5628b448ba07aafc2a189aadc22c8c64f615975290c",
            "0cb55b4294f78ec222c34fcad42a25cf0626c0e4f06f09b2841e93af322fcdc3",
            "05c356db9891db3a148590cbfd4dbb36639cfc423ac638e894348af39a67066a",
            "e9b88976902c14fba0baac90d659b6995f46b21efd7a116df8e2dda9ba5c5020",
        ),
        mirrors=(),
        image_shape=(8, 8),
        train_images=1437,
        test_images=360,
    ),
)

DATASETS = {dataset.name: dataset for dataset in _ALL}
