"""Formats of audio that libsndfile does not read, by suffix, and how to convert them."""

from __future__ import annotations

__all__ = ["NOT_READ"]

_KINDS = {
    ("videos", "save their sound by `ffmpeg -i FILE FILE.wav`"): (
        ".3g2 .3gp .asf .avi .divx .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogm "
        ".ogv .qt .rm .rmvb .ts .vob .webm .wmv"
    ),
    ("formats that cannot be read", "save them as .wav or .flac"): (
        ".3ga .aa .aac .aax .ac3 .act .adts .amr .ape .awb .dff .ds2 .dsf .dss .dts .dvf .eac3 "
        ".evs .f4a .f4b .gsm .m4a .m4b .m4p .m4r .mka .mlp .mpc .msv .qcp .ra .ram .shn .silk "
        ".slk .spx .tak .tta .weba .wma .wv"
    ),
    ("samples without a header", "save them as .wav, with their rate and coding"): (
        ".adpcm .al .alaw .g711 .g721 .g722 .g723 .g726 .g729 .lpcm .mulaw .pcm .raw .sln .ul "
        ".ulaw .vox"
    ),
}
#: What files with a suffix are, and the cure.
NOT_READ = {suffix: texts for texts, names in _KINDS.items() for suffix in names.split()}
