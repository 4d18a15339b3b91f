"""OpenGL, EGL and VDPAU: they share memory with the graphics of the GPU that drives this machine's display.

The runtime asks for these names although cuda.h does not declare them; their parameters are types of graphics headers and are never looked at.
"""

from __future__ import annotations

from native.spec.model import refused

_DISPLAY = "graphics interoperation needs the display's own GPU"

ROWS = (
    refused("cuEGLStreamConsumerAcquireFrame", 7000, _DISPLAY),
    refused("cuEGLStreamConsumerConnect", 7000, _DISPLAY),
    refused("cuEGLStreamConsumerConnectWithFlags", 8000, _DISPLAY),
    refused("cuEGLStreamConsumerDisconnect", 7000, _DISPLAY),
    refused("cuEGLStreamConsumerReleaseFrame", 7000, _DISPLAY),
    refused("cuEGLStreamProducerConnect", 7000, _DISPLAY),
    refused("cuEGLStreamProducerDisconnect", 7000, _DISPLAY),
    refused("cuEGLStreamProducerPresentFrame", 7000, _DISPLAY),
    refused("cuEGLStreamProducerReturnFrame", 7000, _DISPLAY),
    refused("cuEventCreateFromEGLSync", 9000, _DISPLAY),
    refused("cuGLCtxCreate", 2000, _DISPLAY),
    refused("cuGLCtxCreate_v2", 3020, _DISPLAY),
    refused("cuGLGetDevices", 4010, _DISPLAY),
    refused("cuGLGetDevices_v2", 6050, _DISPLAY),
    refused("cuGLInit", 2000, _DISPLAY),
    refused("cuGLMapBufferObject", 2000, _DISPLAY),
    refused("cuGLMapBufferObject_v2", 3020, _DISPLAY, per_thread="ptds@7000"),
    refused("cuGLMapBufferObjectAsync", 2030, _DISPLAY),
    refused("cuGLMapBufferObjectAsync_v2", 3020, _DISPLAY, per_thread="ptsz@7000"),
    refused("cuGLRegisterBufferObject", 2000, _DISPLAY),
    refused("cuGLSetBufferObjectMapFlags", 2030, _DISPLAY),
    refused("cuGLUnmapBufferObject", 2000, _DISPLAY),
    refused("cuGLUnmapBufferObjectAsync", 2030, _DISPLAY),
    refused("cuGLUnregisterBufferObject", 2000, _DISPLAY),
    refused("cuGraphicsEGLRegisterImage", 7000, _DISPLAY),
    refused("cuGraphicsGLRegisterBuffer", 3000, _DISPLAY),
    refused("cuGraphicsGLRegisterImage", 3000, _DISPLAY),
    refused("cuGraphicsResourceGetMappedEglFrame", 7000, _DISPLAY),
    refused("cuGraphicsVDPAURegisterOutputSurface", 3010, _DISPLAY),
    refused("cuGraphicsVDPAURegisterVideoSurface", 3010, _DISPLAY),
    refused("cuVDPAUCtxCreate", 3010, _DISPLAY),
    refused("cuVDPAUCtxCreate_v2", 3020, _DISPLAY),
    refused("cuVDPAUGetDevice", 3010, _DISPLAY),
)
