"""The data sets that the pipeline knows, each file by its SHA-256.

Convention: every data set is four files in the IDX format under the same four names, as MNIST
was first published; who reads them need not know which data set it is. The hashes are those of
the unpacked files, so that they do not depend on who packed them with what.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        name: in `data.name`, and of its folder.
        title: for people.
        source: where it was published.
        files: SHA-256 by file name; that of a gzipped file, and its name with `.gz`, where
            nobody has published the hash of what it holds.
        embedded: whether scikit-learn brings it along.
        image_shape: height and width in pixels.
        class_names: for people, by label.
        train_images: in the training file.
        test_images: in the test file.
    """

    name: str
    title: str
    source: str
    files: dict[str, str]
    embedded: bool = False
    image_shape: tuple[int, int] = (28, 28)
    class_names: tuple[str, ...] = tuple("0123456789")
    train_images: int = 60_000
    test_images: int = 10_000

    noun = "images"  # what examples are called

    @property
    def classes(self) -> int:
        """How many kinds of label there are."""
        return len(self.class_names)

    @property
    def features(self) -> int:
        """Pixels an image."""
        height, width = self.image_shape
        return height * width


def _files(
    train_images: str, train_labels: str, test_images: str, test_labels: str, suffix: str = ""
) -> dict[str, str]:
    return {
        f"{TRAIN_IMAGES}{suffix}": train_images,
        f"{TRAIN_LABELS}{suffix}": train_labels,
        f"{TEST_IMAGES}{suffix}": test_images,
        f"{TEST_LABELS}{suffix}": test_labels,
    }


_ALL = (
    Dataset(
        name="mnist",
        title="MNIST",
        source="Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits",
        files=_files(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    Dataset(
        name="fashion_mnist",
        title="Fashion-MNIST",
        source="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747",
        files=_files(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
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
            suffix=".gz",
        ),
    ),
    Dataset(
        name="digits",
        embedded=True,
        title="scikit-learn's 8x8 digits",
        source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998; "
        "the 1,797 images that scikit-learn embeds, the last 360 as test file",
        files=_files(
            "1192d80fb13b41bd405974e7276f8c82d0b32e4f26b229444c27b9e486971746",
            "f8a600b73e2c056aa42316260206e6643bd33e96bd71cfb8e32b94f76fac4f93",
            "80510fc9162448f4c8666335357ea127bd14ff20c9a09e20a09f3b8d96ef1ca3",
            "cf2c8a23974df0c99eb3f36ff34c02acb9be1c84aca7280211ef04bea1135360",
        ),
        image_shape=(8, 8),
        train_images=1437,
        test_images=360,
    ),
)

DATASETS = {dataset.name: dataset for dataset in _ALL}
