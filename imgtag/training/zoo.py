"""torchvision's networks for tagging as a table: what each is called, where its weights are, how it wants pictures.

The facts are those of torchvision 0.29 (`get_model_weights(name).DEFAULT`), written down so that a page can show
them without loading torchvision; a test compares every row. The weights were trained on ImageNet-1k.

Left out are vit_h_14 and regnet_y_128gf (2.4 GB each, over 20 times the work of a ViT-B/16), and regnet_x_32gf and
regnet_y_32gf (0.4 and 0.6 GB, half a point of accuracy above the 16gf of their kind).
"""

from __future__ import annotations

from dataclasses import dataclass

FOLDER = "https://download.pytorch.org/models/"

# name, file of the weights, its megabytes, billions of multiplications for one picture, length of the features,
# pixels of the shorter side, pixels of the crop, interpolation, title; under the name of the family
_TABLE = """
[AlexNet]
alexnet            alexnet-owt-7be5be79.pth                 233   0.71  4096  256  224  bilinear  AlexNet
[VGG]
vgg11              vgg11-8a719046.pth                       507   7.61  4096  256  224  bilinear  VGG-11
vgg11_bn           vgg11_bn-6002323d.pth                    507   7.61  4096  256  224  bilinear  VGG-11 BN
vgg13              vgg13-19584684.pth                       508  11.31  4096  256  224  bilinear  VGG-13
vgg13_bn           vgg13_bn-abd245e5.pth                    508  11.31  4096  256  224  bilinear  VGG-13 BN
vgg16              vgg16-397923af.pth                       528  15.47  4096  256  224  bilinear  VGG-16
vgg16_bn           vgg16_bn-6c64b313.pth                    528  15.47  4096  256  224  bilinear  VGG-16 BN
vgg19              vgg19-dcbb9e9d.pth                       548  19.63  4096  256  224  bilinear  VGG-19
vgg19_bn           vgg19_bn-c79401a0.pth                    548  19.63  4096  256  224  bilinear  VGG-19 BN
[ResNet]
resnet18           resnet18-f37072fd.pth                     45   1.81   512  256  224  bilinear  ResNet-18
resnet34           resnet34-b627a593.pth                     83   3.66   512  256  224  bilinear  ResNet-34
resnet50           resnet50-11ad3fa6.pth                     98   4.09  2048  232  224  bilinear  ResNet-50
resnet101          resnet101-cd907fc2.pth                   171   7.80  2048  232  224  bilinear  ResNet-101
resnet152          resnet152-f82ba261.pth                   230  11.51  2048  232  224  bilinear  ResNet-152
[Wide ResNet]
wide_resnet50_2    wide_resnet50_2-9ba9bcbe.pth             263  11.40  2048  232  224  bilinear  Wide ResNet-50-2
wide_resnet101_2   wide_resnet101_2-d733dc28.pth            485  22.75  2048  232  224  bilinear  Wide ResNet-101-2
[ResNeXt]
resnext50_32x4d    resnext50_32x4d-1a0047aa.pth              96   4.23  2048  232  224  bilinear  ResNeXt-50 32x4d
resnext101_32x8d   resnext101_32x8d-110c445d.pth            340  16.41  2048  232  224  bilinear  ResNeXt-101 32x8d
resnext101_64x4d   resnext101_64x4d-173b62eb.pth            319  15.46  2048  232  224  bilinear  ResNeXt-101 64x4d
[SqueezeNet]
squeezenet1_0      squeezenet1_0-b66bff10.pth                 5   0.82   512  256  224  bilinear  SqueezeNet 1.0
squeezenet1_1      squeezenet1_1-b8a52dc0.pth                 5   0.35   512  256  224  bilinear  SqueezeNet 1.1
[DenseNet]
densenet121        densenet121-a639ec97.pth                  31   2.83  1024  256  224  bilinear  DenseNet-121
densenet161        densenet161-8d451a50.pth                 110   7.73  2208  256  224  bilinear  DenseNet-161
densenet169        densenet169-b2777c0a.pth                  55   3.36  1664  256  224  bilinear  DenseNet-169
densenet201        densenet201-c1103571.pth                  77   4.29  1920  256  224  bilinear  DenseNet-201
[Inception]
googlenet          googlenet-1378be20.pth                    50   1.50  1024  256  224  bilinear  GoogLeNet
inception_v3       inception_v3_google-0cc3c7bd.pth         104   5.71  2048  342  299  bilinear  Inception v3
[ShuffleNet v2]
shufflenet_v2_x0_5 shufflenetv2_x0.5-f707e7126e.pth           5   0.04  1024  256  224  bilinear  ShuffleNet v2 x0.5
shufflenet_v2_x1_0 shufflenetv2_x1-5666bf0f80.pth             9   0.14  1024  256  224  bilinear  ShuffleNet v2 x1.0
shufflenet_v2_x1_5 shufflenetv2_x1_5-3c479a10.pth            14   0.30  1024  232  224  bilinear  ShuffleNet v2 x1.5
shufflenet_v2_x2_0 shufflenetv2_x2_0-8be3c8ee.pth            28   0.58  2048  232  224  bilinear  ShuffleNet v2 x2.0
[MobileNet]
mobilenet_v2       mobilenet_v2-7ebf99e0.pth                 14   0.30  1280  232  224  bilinear  MobileNet v2
mobilenet_v3_small mobilenet_v3_small-047dcff4.pth           10   0.06  1024  256  224  bilinear  MobileNet v3 small
mobilenet_v3_large mobilenet_v3_large-5c1a4163.pth           21   0.22  1280  232  224  bilinear  MobileNet v3 large
[MNASNet]
mnasnet0_5         mnasnet0.5_top1_67.823-3ffadce67e.pth      9   0.10  1280  256  224  bilinear  MNASNet 0.5
mnasnet0_75        mnasnet0_75-7090bc5f.pth                  12   0.21  1280  232  224  bilinear  MNASNet 0.75
mnasnet1_0         mnasnet1.0_top1_73.512-f206786ef8.pth     17   0.31  1280  256  224  bilinear  MNASNet 1.0
mnasnet1_3         mnasnet1_3-a4c69d6f.pth                   24   0.53  1280  232  224  bilinear  MNASNet 1.3
[EfficientNet]
efficientnet_b0    efficientnet_b0_rwightman-7f5810bc.pth    20   0.39  1280  256  224  bicubic   EfficientNet-B0
efficientnet_b1    efficientnet_b1-c27df63c.pth              30   0.69  1280  255  240  bilinear  EfficientNet-B1
efficientnet_b2    efficientnet_b2_rwightman-c35c1473.pth    35   1.09  1408  288  288  bicubic   EfficientNet-B2
efficientnet_b3    efficientnet_b3_rwightman-b3899882.pth    47   1.83  1536  320  300  bicubic   EfficientNet-B3
efficientnet_b4    efficientnet_b4_rwightman-23ab8bcd.pth    74   4.39  1792  384  380  bicubic   EfficientNet-B4
efficientnet_b5    efficientnet_b5_lukemelas-1a07897c.pth   117  10.27  2048  456  456  bicubic   EfficientNet-B5
efficientnet_b6    efficientnet_b6_lukemelas-24a108a5.pth   165  19.07  2304  528  528  bicubic   EfficientNet-B6
efficientnet_b7    efficientnet_b7_lukemelas-c5b4e57e.pth   255  37.75  2560  600  600  bicubic   EfficientNet-B7
[EfficientNetV2]
efficientnet_v2_s  efficientnet_v2_s-dd5fe13b.pth            83   8.37  1280  384  384  bilinear  EfficientNetV2-S
efficientnet_v2_m  efficientnet_v2_m-dc08266a.pth           208  24.58  1280  480  480  bilinear  EfficientNetV2-M
efficientnet_v2_l  efficientnet_v2_l-59c71312.pth           455  56.08  1280  480  480  bicubic   EfficientNetV2-L
[RegNet]
regnet_x_400mf     regnet_x_400mf-62229a5f.pth               21   0.41   400  232  224  bilinear  RegNetX-400MF
regnet_x_800mf     regnet_x_800mf-94a99ebd.pth               28   0.80   672  232  224  bilinear  RegNetX-800MF
regnet_x_1_6gf     regnet_x_1_6gf-a12f2b72.pth               35   1.60   912  232  224  bilinear  RegNetX-1.6GF
regnet_x_3_2gf     regnet_x_3_2gf-7071aa85.pth               59   3.18  1008  232  224  bilinear  RegNetX-3.2GF
regnet_x_8gf       regnet_x_8gf-2b70d774.pth                151   8.00  1920  232  224  bilinear  RegNetX-8GF
regnet_x_16gf      regnet_x_16gf-ba3796d7.pth               208  15.94  2048  232  224  bilinear  RegNetX-16GF
regnet_y_400mf     regnet_y_400mf-e6988f5f.pth               17   0.40   440  232  224  bilinear  RegNetY-400MF
regnet_y_800mf     regnet_y_800mf-58fc7688.pth               25   0.83   784  232  224  bilinear  RegNetY-800MF
regnet_y_1_6gf     regnet_y_1_6gf-0d7bc02a.pth               43   1.61   888  232  224  bilinear  RegNetY-1.6GF
regnet_y_3_2gf     regnet_y_3_2gf-9180c971.pth               75   3.18  1512  232  224  bilinear  RegNetY-3.2GF
regnet_y_8gf       regnet_y_8gf-dc2b1b54.pth                151   8.47  2016  232  224  bilinear  RegNetY-8GF
regnet_y_16gf      regnet_y_16gf-3e4a00f9.pth               319  15.91  3024  232  224  bilinear  RegNetY-16GF
[ConvNeXt]
convnext_tiny      convnext_tiny-983f1562.pth               109   4.46   768  236  224  bilinear  ConvNeXt tiny
convnext_small     convnext_small-0c510722.pth              192   8.68   768  230  224  bilinear  ConvNeXt small
convnext_base      convnext_base-6075fbad.pth               338  15.36  1024  232  224  bilinear  ConvNeXt base
convnext_large     convnext_large-ea097f82.pth              755  34.36  1536  232  224  bilinear  ConvNeXt large
[Swin]
swin_t             swin_t-704ceda3.pth                      108   4.49   768  232  224  bicubic   Swin tiny
swin_s             swin_s-5e29d889.pth                      190   8.74   768  246  224  bicubic   Swin small
swin_b             swin_b-68c6b09e.pth                      335  15.43  1024  238  224  bicubic   Swin base
swin_v2_t          swin_v2_t-b137f0e2.pth                   109   5.94   768  260  256  bicubic   Swin v2 tiny
swin_v2_s          swin_v2_s-637d8ceb.pth                   191  11.55   768  260  256  bicubic   Swin v2 small
swin_v2_b          swin_v2_b-781e5279.pth                   336  20.32  1024  272  256  bicubic   Swin v2 base
[ViT]
vit_b_16           vit_b_16-c867db91.pth                    330  17.56   768  256  224  bilinear  ViT-B/16
vit_b_32           vit_b_32-d86f8d99.pth                    337   4.41   768  256  224  bilinear  ViT-B/32
vit_l_16           vit_l_16-852ce7e3.pth                   1161  61.55  1024  242  224  bilinear  ViT-L/16
vit_l_32           vit_l_32-c7638314.pth                   1169  15.38  1024  256  224  bilinear  ViT-L/32
[MaxViT]
maxvit_t           maxvit_t-bc5ab103.pth                    119   5.56   512  224  224  bicubic   MaxViT tiny
"""

# For the others any picture from 32 pixels on will do.
_LEAST_SIZES = {
    "alexnet": 63,
    "inception_v3": 75,
    "efficientnet_v2_s": 33,
    "efficientnet_v2_m": 33,
    "efficientnet_v2_l": 33,
}
# These learnt one vector for every place of a picture of that size.
_FIXED_SIZE = ("ViT", "MaxViT")
# Wants its pixels from -1 to 1; all others by the mean and deviation of ImageNet's pixels.
_FROM_MINUS_ONE = ("efficientnet_v2_l",)


@dataclass(frozen=True)
class Entry:
    """One network of torchvision, see the table. `least_size` is the smallest picture it can take."""

    family: str
    name: str
    title: str
    file_name: str
    megabytes: int
    gflops: float
    dimensions: int
    resize: int
    size: int
    interpolation: str
    least_size: int
    fixed_size: bool
    from_minus_one: bool

    @property
    def sha256(self) -> str:
        """The beginning of the file's sha256, which its name carries."""
        return self.file_name.removesuffix(".pth").rpartition("-")[2]


def read_table() -> list[Entry]:
    """All networks in the order of the table."""
    entries = []
    family = ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("["):
            family = line.strip("[]")
            continue
        name, file_name, megabytes, gflops, dimensions, resize, size, interpolation, title = line.split(maxsplit=8)
        entries.append(
            Entry(
                family=family,
                name=name,
                title=title,
                file_name=file_name,
                megabytes=int(megabytes),
                gflops=float(gflops),
                dimensions=int(dimensions),
                resize=int(resize),
                size=int(size),
                interpolation=interpolation,
                least_size=_LEAST_SIZES.get(name, 32),
                fixed_size=family in _FIXED_SIZE,
                from_minus_one=name in _FROM_MINUS_ONE,
            )
        )
    return entries
