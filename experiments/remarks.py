"""What RESULTS.md says and shows under its tables, beside the numbers."""

from experiments.items import FIGURE_2, FIGURE_4, FIGURE_7, FIGURE_11, TABLE_1, TABLE_2, TABLE_3

__all__ = ["PICTURES", "REMARKS"]

REMARKS = {
    TABLE_1: (
        "What mattered: a code of 5 numbers in place of the paper's 8, with a faster reconstruction and twice the "
        "epochs, is worth 20 nats; batch norm in encoder and decoder 2 more in one seed. A code of 6, with faster "
        "rates yet and half the width, reconstructs better, but ten thousand samples of it lie farther apart: 1.4 "
        "less, with more recall. Refined, that is 5 more: at the end the game is played by Adam, with little of "
        "reconstruction, until codes fill the prior closely, and then, in the rows called refined, the decoder alone "
        "is trained for sixteen epochs. Each in one seed: refined as well, a code of 5 has 1.9 less than that of 6 of "
        "the same seed, a hundred epochs more before the refinement bring 1 more, and of as many twice the width "
        "brings 2.1 less; a decoder that goes on for fifty epochs by Adam, on codes with noise of 0.15 of the prior's "
        "standard deviation, brings 1.7 more. Where not the decoder alone goes on so but all phases do, for sixty "
        "epochs, the encoder moves images apart that the noise confuses: 1.0 and 2.3 more in the same two seeds, and "
        "2 more by decoded codes. By hand, on validation images: noise of 0.12 or 0.2 is no better, nor are sixty "
        "epochs of noise and Adam from the start, 15 below; the less reconstruction moves the encoder, the better "
        "samples match decoded codes, and the worse are both. The protocol's ten values of sigma lie so far apart "
        "that the choice costs 5: the best is 0.154, between its 0.129 and 0.167. By a finer grid about the "
        "protocol's choice, from validation images too, the rows with noise have 344 and 346 (which values it chose "
        "sigma from, the paper does not say). Decoded codes of training images in place of samples have 343 where the "
        "decoder alone went on, and 345 where all did, which is what a prior that is filled exactly would bring with "
        "these decoders. The paper's other data set, TFD, is not public. The GAN needs batch norm in its generator "
        "and noise on its images: the row of −490 nats is of one without. Ten million samples lie so close together "
        "that a smaller sigma is best, 0.129 in place of 0.167: the model that has 536.6 by them has 304.8 by ten "
        "thousand."
    ),
    TABLE_2: (
        "What mattered: that an image and another view of it, turned, slanted, stretched and moved at random, are of "
        "one category, which the paper does not have; the encoder is normalized over the batch. Views have a square "
        "cut out, and those of labeled images are to be of their class. Virtual adversarial training (Miyato et al., "
        "2018), not the paper's either, helps less with a thousand labels and more, in a wider network; with a "
        "hundred it has to wait until the network is nearly right: from the first epoch on, in a wider network, two "
        "of three seeds mix 4 and 9, and one of these calls no image a 9."
    ),
    TABLE_3: (
        "What mattered: that images which are alike are of one cluster, while each batch has views of all clusters; "
        "without either it is far worse, in one seed after six epochs, see the settings compared below. Which are "
        "alike needs no label: of images set upright the nearest ones are of one class but for a few in a hundred, "
        "and so are those that walks over nearest ones lead to, which tie a class together however differently it is "
        "written (neighbors as positives: Van Gansbeke et al., 2020; balance: Hu et al., 2017). What is left is "
        "chance. With 16, one of ten seeds has a cluster of twos whose surest image is a seven, so that all of it "
        "counts as wrong: 9.1 %, and 5.1 % where the majority names a cluster; in about half of the others some 7s or "
        "4s go with the 9s; three seeds of an earlier commit were all but the same, and a fresh one, of another "
        "commit too, lay outside of what they let expect. With 30, one of eight seeds has a cluster of nines whose "
        "surest image is a seven: 9.4 %, and 4.0 % by the majority. Without any views clusters cut through many "
        "classes; with views of the image itself alone most are of one class, and a few of two: 4 and 9 most often, "
        "3, 5 and 8 where views are stretched more; which, if any, is chance. Settings were settled on by errors on "
        "validation images."
    ),
    FIGURE_2: (
        "What mattered: how fast the generator is beside reconstruction. By the usual rates holes come and go while "
        "an AAE trains, and close only as the rates fall. Refined, it has less noise on its inputs (the game sees "
        "codes of noisy images, and held-out ones are clean), a generator that is slower from the start, and fifteen "
        "last epochs in which that is slower still and reconstruction moves the encoder by a thirtieth of its steps: "
        "the game moves it, and the decoder follows. What is left are one to four of 256 cells; samples of the prior "
        "leave none, and most of the emptiest cells are among those of the digit 1, whose images vary least. Without "
        "noise four of six AAEs have two such cells or fewer, and one has eighteen, nearly all in the outer half of "
        "one component, where ones alone are: by validation images, some noise is better. How classes lie is settled "
        "in the first epochs; they lie more mixed than in a VAE, which reconstructs better and whose samples are "
        "sharper."
    ),
    FIGURE_4: (
        "What mattered in the mixture: that the encoder's inputs are moved at random; but its codes fill the prior "
        "less evenly then: `mmd_squared` in the results is nearly twice that without, after 60 epochs and 75. What is "
        "left lies near the middle, where components meet. On the roll, whose samples have no thickness, the "
        "discriminator wins unless it sees them and the codes through noise; moved inputs alone do not help."
    ),
    FIGURE_7: (
        "What mattered: whether the discriminator is told the class (for 20 epochs; for 75 if not). If not, each "
        "class may keep a part of the prior to itself. Told it, samples show the class that was asked for, but styles "
        "are not free of it: the nearest style of a training image tells the class of two test images in three, of "
        "four in five before (chance is one in ten)."
    ),
    FIGURE_11: (
        "What mattered with labels: that an image and another view of it are of one category, which the paper does "
        "not have, and that reconstruction is slow; either alone is far worse, with 100 labels in one seed after six "
        "epochs, see the settings compared below. The nearest head in the code is right nearly as often; the nearest "
        "image in two dimensions is wrong twice as often. Without views: cluster heads that start about eta apart, "
        "and for the unsupervised panel an encoder that is normalized over the batch. Without labels: that images "
        "which are alike are of one cluster, as in Table 3; with views of each image itself some clusters hold two "
        "classes, 4 and 9 most often."
    ),
}
"""By table: what the rows owe their numbers to, or lack."""
_STYLES = "Decoded samples: a style of the prior in each row, a class in each column"
PICTURES = {
    TABLE_1: {"samples.png": "Samples, and below each its nearest training image"},
    TABLE_2: {"sheet.png": _STYLES},
    TABLE_3: {"clusters.png": "A cluster in each row: its decoded head, then test images in it"},
    FIGURE_2: {"codes.png": "Codes of test images", "sheets.png": "Decoded points of the prior"},
    FIGURE_4: {"codes.png": "Codes of test images", "walks.png": "Decoded walks through the prior"},
    FIGURE_7: {"sheet.png": _STYLES},
    FIGURE_11: {"codes.png": "Codes of test images, and the heads of their clusters"},
}
"""By table: pictures that are like the paper's figures, or show what no number says; and what is to be seen there."""
