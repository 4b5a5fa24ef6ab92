from django.contrib.auth.views import PasswordChangeView
from django.contrib.messages.views import SuccessMessageMixin


class PasswordChange(SuccessMessageMixin, PasswordChangeView):
    success_url = "/"
    success_message = "Your password is changed; your sessions in other browsers have ended."
