from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from polyweb.views import PasswordChange

urlpatterns = [
    path("", include("tuning.urls")),
    path("", include("measurements.urls")),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/password/", PasswordChange.as_view(), name="password_change"),
    path("admin/", admin.site.urls),
]
